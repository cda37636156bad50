// HiveCore's pull, from its description: a queue per model, and hosts that open as many pulling connections as they have slots.
import type { MakeRouter, Ending, Routed, Router, World } from "../router.ts";

/** What pulls: its free connections, and the model it served last. */
interface Puller {
  readonly id: string;
  readonly models: readonly string[];
  free: number;
  last: number;
}

/** Makes HiveCore with CONCURRENT_REQUESTS as high as each host's OLLAMA_NUM_PARALLEL, the best there is for it. */
export const hivecore: MakeRouter = (world) => new PullRouter(world);

class PullRouter implements Router {
  readonly #world: World;
  readonly #queues = new Map<string, Routed[]>();
  /** Hosts with a connection that waits, in the order in which they began to. */
  #pulling: Puller[] = [];
  readonly #pullers = new Map<string, Puller>();

  constructor(world: World) {
    this.#world = world;
  }

  start(): void {
    for (const { id, up } of this.#world.hosts.values()) if (up) this.joined(id);
  }

  joined(hostId: string): void {
    const spec = this.#world.hosts.get(hostId)?.host.spec;
    if (spec === undefined) return;
    const models = spec.models.map(({ name }) => name);
    const puller = { id: hostId, models, free: spec.parallel, last: 0 };
    this.#pullers.set(hostId, puller);
    this.#pulling.push(puller);
    this.#serve();
  }

  arrived(request: Routed): void {
    const { model } = request.item;
    const queue = this.#queues.get(model) ?? [];
    this.#queues.set(model, queue);
    queue.push(request);
    this.#serve();
  }

  left(request: Routed): void {
    const queue = this.#queues.get(request.item.model) ?? [];
    const index = queue.findIndex(({ id }) => id === request.id);
    if (index !== -1) queue.splice(index, 1);
  }

  ended(_request: Routed, hostId: string, ending: Ending): void {
    const puller = this.#pullers.get(hostId);
    if (puller === undefined) return;
    if (ending.type === "failed") {
      this.#pullers.delete(hostId);
      this.#pulling = this.#pulling.filter((other) => other !== puller);
      return;
    }
    puller.free += 1;
    if (!this.#pulling.includes(puller)) this.#pulling.push(puller);
    this.#serve();
  }

  /** Each waiting connection takes the first request of its models, in rotating order from the one it served last. */
  #serve(): void {
    // Pulling changes the list; this goes through it as it was.
    for (const puller of this.#pulling) {
      while (puller.free > 0 && this.#pull(puller));
      if (puller.free === 0) this.#pulling = this.#pulling.filter((other) => other !== puller);
    }
  }

  #pull(puller: Puller): boolean {
    const { models, last } = puller;
    for (let step = 0; step < models.length; step += 1) {
      const index = (last + step) % models.length;
      const request = this.#queues.get(models[index] ?? "")?.shift();
      if (request === undefined) continue;
      puller.free -= 1;
      puller.last = index;
      // It goes to the end of those who wait, as its next connection opens only now.
      this.#pulling = [...this.#pulling.filter((other) => other !== puller), puller];
      this.#world.send(request, puller.id);
      return true;
    }
    return false;
  }
}
