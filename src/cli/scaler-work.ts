// The work of `hive scaler`: turns orders into runs of the operator's commands, one at a time, each no more than once.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { wake } from "../agent/orders/wake.ts";
import type { ScaleOrder } from "../wire/scale.ts";

export interface ScalerWorkOptions {
  readonly up: string;
  readonly down: string;
  /** Longest time a command may take, ms. */
  readonly limitMs: number;
  readonly log: (line: object) => void;
}

interface Job {
  readonly verb: "up" | "down";
  /** Empty for a host that is yet to be made. */
  readonly host: string;
  readonly order: ScaleOrder;
}

/** A host that is made or was, and has not registered yet. */
interface Coming {
  /** When it must have come; while its command runs there is time. */
  dueBy: number;
}

interface Arrivals {
  coming: Coming[];
  /** Hosts registered when the last order was given. */
  knownBefore: number;
}

/** A command that does not end when asked is ended. */
const KILL_AFTER_MS = 5_000;

export class ScalerWork {
  readonly #options: ScalerWorkOptions;
  /** By cell, each with orders of its own. */
  readonly #newest = new Map<string, ScaleOrder>();
  readonly #arrivals = new Map<string, Arrivals>();
  #jobs: Job[] = [];
  #running: Promise<void> | undefined;
  #current: Job | undefined;
  #child: ChildProcess | undefined;
  /** Hosts that were started or stopped, until the order's deadline: the edge may not have seen it yet. */
  readonly #done = new Map<string, { readonly verb: "up" | "down"; readonly until: number }>();

  constructor(options: ScalerWorkOptions) {
    this.#options = options;
  }

  /** Takes an order; false for one that came already or is older than the newest. */
  take(order: ScaleOrder): boolean {
    const cell = order.cell ?? "";
    const before = this.#newest.get(cell);
    // By time first: a Hive whose state was made anew counts from one again.
    const since = order.since - (before?.since ?? -Infinity);
    if (before !== undefined && (since < 0 || (since === 0 && order.id <= before.id))) return false;
    this.#newest.set(cell, order);
    const { id, desired, start, create, stop, reason } = order;
    this.#options.log({ event: "order", id, desired, start, create, stop, reason });
    const others = this.#jobs.filter((job) => (job.order.cell ?? "") !== cell);
    this.#jobs = [...others, ...this.#plan(order)];
    this.#running ??= this.#work();
    return true;
  }

  /** Lets the command that runs end, and starts no other. */
  async stop(): Promise<void> {
    this.#jobs = [];
    await this.#running;
  }

  kill(): void {
    this.#jobs = [];
    end(this.#child, "SIGKILL");
  }

  /** What is left to do of an order; jobs of an earlier one that have not begun are no more wanted. */
  #plan(order: ScaleOrder): Job[] {
    const now = Date.now();
    for (const [host, { until }] of this.#done) if (until <= now) this.#done.delete(host);
    const fresh = (verb: Job["verb"]) => (host: string) => {
      const isRunning = this.#current?.host === host && this.#current.verb === verb;
      return !isRunning && this.#done.get(host)?.verb !== verb;
    };
    const down = order.stop.filter(fresh("down")).map((host): Job => ({ verb: "down", host, order }));
    const up = order.start.filter(fresh("up")).map((host): Job => ({ verb: "up", host, order }));
    const missing = Math.max(0, order.create - this.#onTheirWay(order, now));
    const made = Array.from({ length: missing }, (): Job => ({ verb: "up", host: "", order }));
    return [...down, ...up, ...made];
  }

  /** Hosts that were made and have not registered yet. */
  #onTheirWay(order: ScaleOrder, now: number): number {
    const arrivals = this.#arrivalsOf(order);
    const waiting = arrivals.coming.filter(({ dueBy }) => dueBy > now);
    const arrived = Math.max(0, order.known - arrivals.knownBefore);
    arrivals.coming = waiting.slice(arrived);
    arrivals.knownBefore = order.known;
    return arrivals.coming.length;
  }

  #arrivalsOf({ cell = "" }: ScaleOrder): Arrivals {
    const known = this.#arrivals.get(cell) ?? { coming: [], knownBefore: 0 };
    this.#arrivals.set(cell, known);
    return known;
  }

  async #work(): Promise<void> {
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) {
      this.#current = job;
      await this.#run(job);
      this.#current = undefined;
    }
    this.#running = undefined;
  }

  async #run({ verb, host, order }: Job): Promise<void> {
    const { log, limitMs } = this.#options;
    const startedAt = performance.now();
    const coming: Coming = { dueBy: Infinity };
    if (host === "") this.#arrivalsOf(order).coming.push(coming);
    log({ event: "command", verb, host, order: order.id });
    // A host may be called "constructor".
    const mac = verb === "up" && Object.hasOwn(order.macs, host) ? order.macs[host] : undefined;
    // The command may find it awake already, or wake it itself: a packet that was not needed does nothing.
    if (mac !== undefined) await wake(mac).catch(() => log({ event: "wake-failed", host, mac }));
    const failure = await this.#command(this.#options[verb], {
      HIVE_HOST: host,
      HIVE_ORDER: String(order.id),
      HIVE_CELL: order.cell ?? "",
      HIVE_MAC: mac ?? "",
      HIVE_DESIRED: String(order.desired),
      HIVE_REASON: order.reason,
    });
    const tookMs = Math.round(performance.now() - startedAt);
    if (failure !== undefined) {
      coming.dueBy = 0;
      log({ event: "command-failed", verb, host, order: order.id, reason: failure, tookMs, limitMs });
      return;
    }
    log({ event: "command-done", verb, host, order: order.id, tookMs });
    coming.dueBy = order.deadline;
    if (host !== "") this.#done.set(host, { verb, until: order.deadline });
  }

  /** Runs a command of the operator in a shell; answers why it failed, if it did. */
  async #command(command: string, variables: Readonly<Record<string, string>>): Promise<string | undefined> {
    const child = spawn(command, {
      shell: true,
      env: { ...process.env, ...variables },
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own, so that what the shell has started ends with it.
      detached: true,
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => this.#options.log({ event: "output", line }));
    }
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      end(child, "SIGTERM");
      setTimeout(() => end(child, "SIGKILL"), KILL_AFTER_MS).unref();
    }, this.#options.limitMs);
    const failure = await new Promise<string | undefined>((resolve) => {
      child.once("error", (fault) => resolve(fault.message));
      // Not "close": what it started may keep its output open for as long as it lives.
      child.once("exit", (code, signal) => resolve(code === 0 ? undefined : `ended with ${signal ?? String(code)}`));
    });
    clearTimeout(timer);
    this.#child = undefined;
    return late ? "took too long" : failure;
  }
}

/** Signals a command and all that it has started and not set apart. */
function end(child: ChildProcess | undefined, signal: "SIGTERM" | "SIGKILL"): void {
  if (child?.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It has ended already.
  }
}
