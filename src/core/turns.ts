// Whose turn it is: strict priority raised by waiting, then prompts that are cached, then the tenant that has had least, then arrival.
import { parallelOf } from "./leases.ts";
import { hasRead } from "./prefixes.ts";
import { runnerOf } from "./runners.ts";
import { modelSpeed, textBytes } from "./speed/speeds.ts";
import { AGEING_MS, QUANTUM_SECONDS, bandOf, leastSeconds } from "./tenants.ts";
import type { Fleet, Flow, Host, Lane, Waiting } from "./state.ts";

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
    const at = cursor.rest.findIndex((waiting) => mayPass(this.#fleet, only, waiting));
    if (at === -1) return;
    cursor.passing = true;
    cursor.rest.unshift(...cursor.rest.splice(at, 1));
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

/** Tells whether a host saves enough reading that a request may pass others: its cache holds the prompt's beginning. */
function mayPass(fleet: Fleet, host: Host, { request }: Waiting): boolean {
  const { model, prefix } = request;
  if (model === undefined || prefix.length === 0) return false;
  const runner = runnerOf(fleet, host, model, request.runner);
  const { rates, hitTrust } = runner.speed;
  if (rates === undefined || !runner.resident) return false;
  const tokens = (1_000 * PASS_SECONDS * rates.prefill) / hitTrust;
  return hasRead(fleet.prefixes, runner, request, textBytes(modelSpeed(fleet.speed, model), tokens));
}
