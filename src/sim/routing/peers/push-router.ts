// How all peers but HiveCore send: at once, to a host of their choice, whose own queue holds what it cannot run yet.
import type { FleetHost } from "../fleet-host.ts";
import type { HostKind, ModelKind } from "../calibration.ts";
import { commonTokens } from "../prompt-cache.ts";
import { forkRandom } from "../random.ts";
import type { Ending, MakeRouter, Routed, Router, World } from "../router.ts";
import type { MakePeer, PeerHost, PeerPolicy } from "./peer.ts";

/** Health is looked at this often; a host that dropped a connection is out until it is next looked at. */
const HEALTH_CHECK_MS = 5_000;

/** Makes a router of a peer's policy. */
export function pushing(make: MakePeer): MakeRouter {
  return (world) => new PushRouter(world, make);
}

class PushRouter implements Router {
  readonly #world: World;
  readonly #hosts: ReadonlyMap<string, TrackedHost>;
  readonly #policy: PeerPolicy;

  constructor(world: World, make: MakePeer) {
    this.#world = world;
    this.#hosts = new Map([...world.hosts.values()].map((host) => [host.id, new TrackedHost(host)]));
    const random = forkRandom(world.seed, "peer");
    this.#policy = make({ random, now: () => world.time.now, hosts: [...this.#hosts.values()] });
  }

  start(): void {
    this.#lookAtHealth();
  }

  arrived(request: Routed): void {
    const { model } = request.item;
    const able = [...this.#hosts.values()].filter((host) => host.models.some(({ name }) => name === model));
    if (able.length === 0) return this.#world.refuse(request, "unknown_model");
    const tried = able.filter(({ id }) => !request.exclude.includes(id));
    const healthy = tried.filter((host) => host.healthy);
    const candidates = [healthy, tried, able].find((hosts) => hosts.length > 0) ?? able;
    const chosen = this.#hosts.get(this.#policy.choose(request, candidates).id);
    if (chosen === undefined) throw new RangeError("a peer chose a host it was not offered");
    chosen.sent(request);
    this.#world.send(request, chosen.id);
  }

  firstToken(request: Routed, hostId: string): void {
    const host = this.#hosts.get(hostId);
    if (host === undefined) return;
    host.read(request);
    this.#policy.firstToken?.(request, host);
  }

  ended(request: Routed, hostId: string, ending: Ending): void {
    const host = this.#hosts.get(hostId);
    if (host === undefined) return;
    host.ended(request);
    if (ending.type === "failed") host.healthy = false;
    this.#policy.ended?.(request, host, ending);
  }

  /** Nothing waits here. */
  left(): void {}

  #lookAtHealth(): void {
    for (const host of this.#hosts.values()) host.healthy = host.up;
    this.#world.time.after(HEALTH_CHECK_MS, () => this.#lookAtHealth());
  }
}

class TrackedHost implements PeerHost {
  readonly id: string;
  readonly kind: HostKind;
  readonly parallel: number;
  readonly models: readonly ModelKind[];
  healthy = true;
  owedTokens = 0;
  heldTokens = 0;
  readonly #host: FleetHost;
  readonly #running = new Map<string, { readonly model: string; owed: number; readonly held: number }>();

  constructor(host: FleetHost) {
    this.#host = host;
    const { id, kind, parallel, models } = host.host.spec;
    [this.id, this.kind, this.parallel, this.models] = [id, kind, parallel, models];
  }

  get up(): boolean {
    return this.#host.up;
  }

  get active(): number {
    return this.#running.size;
  }

  activeOf(model: string): number {
    let count = 0;
    for (const running of this.#running.values()) if (running.model === model) count += 1;
    return count;
  }

  loaded(): readonly string[] {
    return this.#host.host.loadedModels.map(({ model }) => model);
  }

  freeBytes(): number {
    return this.#host.host.freeBytes;
  }

  cachedTokens({ item: { model, prompt } }: Routed): number {
    const held = this.#host.host.runnerOf(model)?.held() ?? [];
    return held.reduce((most, state) => Math.max(most, commonTokens(state, prompt)), 0);
  }

  sent({ id, item: { model, prompt } }: Routed): void {
    this.#running.set(id, { model, owed: prompt.tokens, held: prompt.tokens });
    this.owedTokens += prompt.tokens;
    this.heldTokens += prompt.tokens;
  }

  read({ id }: Routed): void {
    const running = this.#running.get(id);
    if (running === undefined) return;
    this.owedTokens -= running.owed;
    running.owed = 0;
  }

  ended(request: Routed): void {
    this.read(request);
    this.heldTokens -= this.#running.get(request.id)?.held ?? 0;
    this.#running.delete(request.id);
  }
}
