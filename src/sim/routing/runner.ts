// One runner: a loaded model with N slots, a queue in order of arrival beyond them, and llama-server's way to share steps.
import { batchingSpeedUp, batchTokens, decodeRate, decodeWork, prefillRate, prefillWork } from "./calibration.ts";
import type { BatchingCurve, HostKind, ModelKind } from "./calibration.ts";
import type { Work } from "./cost.ts";
import { PromptCache } from "./prompt-cache.ts";
import type { Claim, Prompt } from "./prompt-cache.ts";

export interface RunnerSpec {
  readonly host: HostKind;
  readonly model: ModelKind;
  readonly parallel: number;
  readonly numCtx: number;
  readonly hostCacheBytes: number;
  /** How many times slower than in GPU memory alone; 1 if all of it fits. */
  readonly slowdown: number;
}

/** What a runner is asked to do, and by whom it wants to be told. */
export interface Job {
  readonly prompt: Prompt;
  readonly outputTokens: number;
  started(now: number, cachedTokens: number): void;
  firstToken(now: number): void;
  finished(now: number): void;
}

/** Work is counted in tokens at depth 0. */
export interface TaskLeft {
  readonly slot: number;
  prefillLeft: number;
  decodeLeft: number;
  /** What one of its tokens costs at its depth, in work. */
  readonly depthFactor: number;
  readonly prefillTotal: number;
  readonly prefillSteps: number;
  decoding: boolean;
}

interface Task extends TaskLeft {
  readonly job: Job;
}

/** A runner's speeds and the work in its slots. */
export interface Outlook {
  readonly prefillPerMs: number;
  readonly decodePerMs: number;
  readonly batching: BatchingCurve;
  readonly parallel: number;
  readonly numCtx: number;
  readonly tasks: readonly TaskLeft[];
}

/** Less work than this is none: rounding of floating point. */
const NO_WORK = 1e-6;

/** The work of a request in a slot; `extra` is work before its prompt is read. */
export function taskOf(size: Work, { slot, numCtx, extra }: { slot: number; numCtx: number; extra: number }): TaskLeft {
  const uncached = Math.max(1, size.promptTokens - size.cachedTokens);
  const prefillTotal = prefillWork(uncached, size.cachedTokens) + extra;
  return {
    slot,
    prefillLeft: prefillTotal,
    prefillTotal,
    prefillSteps: Math.ceil(uncached / batchTokens(numCtx)),
    // The first token comes with the last step of the prompt.
    decodeLeft: decodeWork(Math.max(0, size.outputTokens - 1), size.promptTokens),
    depthFactor: decodeWork(1, size.promptTokens),
    decoding: false,
  };
}

/** Progress is fluid between changes: whoever changes something advances all runners of the host first. */
export class Runner {
  readonly spec: RunnerSpec;
  keepAliveMs = 0;
  readonly #cache: PromptCache;
  readonly #waiting: Job[] = [];
  #tasks: Task[] = [];
  readonly #prefillPerMs: number;
  readonly #decodePerMs: number;

  constructor(spec: RunnerSpec) {
    this.spec = spec;
    this.#cache = new PromptCache({
      slots: spec.parallel,
      hostMemoryBytes: spec.hostCacheBytes,
      kvBytesPerToken: spec.model.kvBytesPerToken,
    });
    this.#prefillPerMs = prefillRate(spec.host, spec.model) / spec.slowdown / 1000;
    this.#decodePerMs = decodeRate(spec.host, spec.model) / spec.slowdown / 1000;
  }

  /** The prompts it holds in slots and in host memory. */
  held(): Prompt[] {
    return this.#cache.held();
  }

  /** The slot and the hit that a prompt would get now; undefined if all slots are taken. */
  peek(prompt: Prompt): Omit<Claim, "moveMs"> | undefined {
    return this.#cache.peek(prompt);
  }

  /** What it has left to do: for those who may know everything. */
  outlook(): Outlook {
    const { host, parallel, numCtx } = this.spec;
    const tasks = this.#tasks.map(({ job: _job, ...left }) => left);
    const speeds = { prefillPerMs: this.#prefillPerMs, decodePerMs: this.#decodePerMs };
    return { ...speeds, batching: host.batching, parallel, numCtx, tasks };
  }

  /** Whether nothing runs or waits here. */
  get idle(): boolean {
    return this.#tasks.length === 0 && this.#waiting.length === 0;
  }

  get running(): number {
    return this.#tasks.length;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Takes a job: into a slot if one is free, else to the end of the queue, however long. */
  submit(job: Job, now: number): void {
    this.#waiting.push(job);
    this.#admit(now);
  }

  /** Gives up a job: at once where it waits, and in a slot its prompt stays for the next. */
  cancel(job: Job, now: number): void {
    const waiting = this.#waiting.indexOf(job);
    if (waiting !== -1) {
      this.#waiting.splice(waiting, 1);
      return;
    }
    const task = this.#tasks.find((other) => other.job === job);
    if (task === undefined) return;
    this.#tasks = this.#tasks.filter((other) => other !== task);
    this.#cache.release(task.slot, job.prompt, 0, now);
    this.#admit(now);
  }

  /** Makes progress; `share` is the part of the device this runner has had. */
  advance(elapsedMs: number, share: number): void {
    const prefilling = this.#prefilling();
    const decodeSpeeds = this.#tasks.map((task) => (task.decoding ? this.#decodeSpeed(task, share) : 0));
    for (const [index, task] of this.#tasks.entries()) task.decodeLeft -= elapsedMs * (decodeSpeeds[index] ?? 0);
    if (prefilling !== undefined) prefilling.prefillLeft -= elapsedMs * this.#prefillPerMs * share;
  }

  /** Tells in how many ms the next task ends a phase if nothing changes; Infinity when idle. */
  untilNextMs(share: number): number {
    const prefilling = this.#prefilling();
    let next = prefilling === undefined ? Infinity : prefilling.prefillLeft / (this.#prefillPerMs * share);
    for (const task of this.#tasks) {
      if (task.decoding) next = Math.min(next, task.decodeLeft / this.#decodeSpeed(task, share));
    }
    return Math.max(0, next);
  }

  /** Moves tasks on whose phase is over, and gives their slots to those who wait. */
  settle(now: number): void {
    const read = this.#tasks.filter(({ decoding, prefillLeft }) => !decoding && prefillLeft <= NO_WORK);
    for (const task of read) {
      task.decoding = true;
      task.job.firstToken(now);
    }
    const done = this.#tasks.filter(({ decoding, decodeLeft }) => decoding && decodeLeft <= NO_WORK);
    if (done.length === 0) return;
    this.#tasks = this.#tasks.filter((task) => !done.includes(task));
    for (const { slot, job } of done) this.#cache.release(slot, job.prompt, job.outputTokens, now);
    this.#admit(now);
    for (const { job } of done) job.finished(now);
  }

  #admit(now: number): void {
    for (;;) {
      const [job] = this.#waiting;
      const claim = job === undefined ? undefined : this.#cache.claim(job.prompt, now);
      if (job === undefined || claim === undefined) return;
      this.#waiting.shift();
      const size = {
        promptTokens: job.prompt.tokens,
        cachedTokens: claim.cachedTokens,
        outputTokens: job.outputTokens,
      };
      const left = taskOf(size, {
        slot: claim.slot,
        numCtx: this.spec.numCtx,
        extra: claim.moveMs * this.#prefillPerMs,
      });
      this.#tasks.push({ job, ...left });
      this.#tasks.sort((a, b) => a.slot - b.slot);
      job.started(now, claim.cachedTokens);
    }
  }

  /** A step is filled with prompt tokens in order of slots: the first slot that reads has it. */
  #prefilling(): Task | undefined {
    return this.#tasks.find(({ decoding }) => !decoding);
  }

  /** While somebody's prompt is read, everybody else gets one token per step, and a step is a whole batch. */
  #decodeSpeed(task: Task, share: number): number {
    const generating = this.#tasks.filter(({ decoding }) => decoding).length;
    const speedUp = batchingSpeedUp(this.spec.host.batching, generating);
    const unhindered = (this.#decodePerMs * share * speedUp) / generating;
    const prefilling = this.#prefilling();
    if (prefilling === undefined) return unhindered;
    const stepMs = prefilling.prefillTotal / (this.#prefillPerMs * share) / prefilling.prefillSteps;
    return Math.min(unhindered, task.depthFactor / stepMs);
  }
}
