// Whose turn it is: strict priority raised by waiting, then prompts that are cached, then the tenant that has had least, then arrival.
import { parallelOf } from "./leases.ts";
import { hasRead } from "./prefixes.ts";
import { runnerOf } from "./runners.ts";
import { modelSpeed, textBytes } from "./speed/speeds.ts";
import { AGEING_MS, QUANTUM_SECONDS, bandOf, leastSeconds } from "./tenants.ts";
import type { Fleet, Flow, Host, Lane, Runner, Waiting } from "./state.ts";

/** A prompt passes those before it where that saves so much reading. */
const PASS_SECONDS = 0.5;
/** So many of a flow's first requests may pass each other. */
const PASSING_MAX = 8;
/** More than any debt. */
const CAPPED = 1e12;

/** One flow, and how far it has been gone through. */
interface Cursor {
  readonly lane: Lane;
  readonly rest: Waiting[];
  readonly more: Iterator<Waiting>;
  /** Whether the first of the rest passes others. */
  passing: boolean;
}

/** Goes through waiting requests in the order of their turns, for one host that has got room or for any. */
export class Turns {
  readonly #fleet: Fleet;
  readonly #now: number;
  readonly #leastSeconds: number;
  readonly #cap: number;
  #cursors: Cursor[] = [];

  constructor(fleet: Fleet, now: number, only: Host | undefined) {
    this.#fleet = fleet;
    this.#now = now;
    this.#leastSeconds = leastSeconds(fleet);
    this.#cap = capOf(fleet);
    for (const lane of fleet.queue.lanes.values()) {
      for (const flow of lane.flows.values()) this.#open(lane, flow, only);
    }
  }

  /** Takes the next request; undefined when all were taken. */
  next(): Waiting | undefined {
    let best: Cursor | undefined;
    for (const cursor of this.#cursors) if (best === undefined || this.#isBefore(cursor, best)) best = cursor;
    const taken = best?.rest.shift();
    if (best === undefined) return undefined;
    best.passing = false;
    if (best.rest.length === 0) this.#refill(best);
    return taken;
  }

  /** Leaves out all that is left of a lane: its hosts have no room. */
  close(lane: Lane): void {
    this.#cursors = this.#cursors.filter((cursor) => cursor.lane !== lane);
  }

  #refill(cursor: Cursor): void {
    const following = cursor.more.next();
    if (following.done === true) this.#cursors = this.#cursors.filter((other) => other !== cursor);
    else cursor.rest.push(following.value);
  }

  #open(lane: Lane, flow: Flow, only: Host | undefined): void {
    const more = flow.waiting.values();
    const cursor: Cursor = { lane, rest: [], more, passing: false };
    this.#cursors.push(cursor);
    this.#refill(cursor);
    const [head] = cursor.rest;
    if (head === undefined || only === undefined || this.#mayNotPass(head)) return;
    for (let read = 1; read < PASSING_MAX; read += 1) {
      const following = more.next();
      if (following.done === true) break;
      cursor.rest.push(following.value);
    }
    const at = this.#passer(cursor.rest, head, only);
    if (at === -1) return;
    cursor.passing = true;
    cursor.rest.unshift(...cursor.rest.splice(at, 1));
  }

  /** The first of some requests of a lane that has so much of its prompt in a host's cache that it passes the others. */
  #passer(some: readonly Waiting[], { request: { model, runner: options } }: Waiting, host: Host): number {
    if (model === undefined) return -1;
    const fleet = this.#fleet;
    const runner = runnerOf(fleet, host, model, options);
    const bytes = passingBytes(fleet, runner);
    if (bytes === undefined) return -1;
    return some.findIndex(({ request }) => hasRead(fleet.prefixes, runner, request, bytes));
  }

  /** Nobody passes one who has aged, and only requests of tenants within a quantum of the least served pass at all. */
  #mayNotPass(head: Waiting): boolean {
    const alone = this.#fleet.queue.waiting.size < 2;
    return alone || this.#now - head.queuedAt >= AGEING_MS || this.#debt(head) > QUANTUM_SECONDS;
  }

  #isBefore(a: Cursor, b: Cursor): boolean {
    const [first, second] = [a.rest[0], b.rest[0]];
    if (first === undefined || second === undefined) return first !== undefined;
    const bands = bandOf(first, this.#now) - bandOf(second, this.#now);
    if (bands !== 0) return bands > 0;
    if (a.passing !== b.passing) return a.passing;
    const debts = this.#debt(first) - this.#debt(second);
    return debts === 0 ? first.queuedAt < second.queuedAt : debts < 0;
  }

  /** How much more a tenant has had than the least served, GPU-seconds; one at its cap is beyond all others. */
  #debt({ request }: Waiting): number {
    const tenant = this.#fleet.tenants.get(request.principal.tenant);
    if (tenant === undefined) return 0;
    const debt = tenant.seconds - this.#leastSeconds;
    return tenant.running >= this.#cap ? debt + CAPPED : debt;
  }
}

/** While several tenants wait, none has more at work than its share of the slots. */
function capOf(fleet: Fleet): number {
  let waiting = 0;
  for (const tenant of fleet.tenants.values()) if (tenant.waiting > 0) waiting += 1;
  if (waiting < 2) return Infinity;
  let slots = 0;
  for (const host of fleet.hosts.values()) slots += parallelOf(host);
  return Math.max(1, Math.floor(slots / fleet.tenants.size));
}

/** The bytes of a prompt's beginning in a host's cache that let a request of a lane pass others there; none are enough if undefined. */
function passingBytes(fleet: Fleet, { speed, resident, model }: Runner): number | undefined {
  if (speed.rates === undefined || !resident) return undefined;
  const tokens = (1_000 * PASS_SECONDS * speed.rates.prefill) / speed.hitTrust;
  return textBytes(modelSpeed(fleet.speed, model), tokens);
}
