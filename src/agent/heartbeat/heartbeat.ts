// The heartbeat: every few seconds what Ollama holds and what runs here, signed; the answer brings time, pace and orders.
import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { sha256Base64Url } from "../../auth/digest.ts";
import { signHostToken } from "../../auth/host-token.ts";
import type { HostKeys } from "../../auth/host-token.ts";
import { heartbeatAnswerSchema, newCellSchema } from "../../wire/heartbeat.ts";
import type { FinishedLease, Heartbeat, HeartbeatAnswer } from "../../wire/heartbeat.ts";
import { parseModelName } from "../../wire/model-name.ts";
import { call, faultOf, parseJson } from "../call.ts";
import type { EdgeClock } from "../edge-clock.ts";
import { learnEdgeTime } from "../edge-time.ts";
import type { CurrentLimits } from "../current-limits.ts";
import type { Leases } from "../relay/leases.ts";
import type { Loads } from "../relay/loads.ts";
import type { Log } from "../log.ts";
import type { Probe } from "./probe.ts";
import type { Membership } from "../state.ts";

const AGENT_VERSION = "0.1.0";
/** The heartbeat's own bound. */
const MAX_PARALLEL = 256;
const MAX_LOADING = 64;
const BEAT_LIMIT_MS = 10_000;
const BACKOFF_MAX_MS = 30_000;
/** However many reasons there are for an extra heartbeat, no more than four a second. */
const SHORTEST_PAUSE_MS = 250;
/** Longest wait for the edge to hear of a change: an edge that is away must not keep an answer from its end. */
const REPORT_LIMIT_MS = 2_000;
/** How often the return of an Ollama that is away is looked for: one refused connection each time. */
const LOOK_FOR_RETURN_MS = 1_000;
/** Spreads the heartbeats of a fleet that started at once. */
const JITTER = 0.1;

export interface HeartbeatDeps {
  readonly membership: Membership;
  readonly keys: HostKeys;
  readonly clock: EdgeClock;
  readonly probe: Probe;
  readonly leases: Leases;
  readonly loads: Loads;
  readonly limits: CurrentLimits;
  readonly slots: number;
  readonly log: Log;
  /** What is told beside the probe: work on order, memory, whether the agent is about to end. */
  readonly also: () => Pick<Heartbeat, "tasks" | "vramTotalBytes" | "vramFreeBytes" | "draining" | "shareUrl">;
  readonly carryOut: (order: HeartbeatAnswer["orders"][number]) => void;
}

type Beat = { readonly ok: true; readonly answer: HeartbeatAnswer } | { readonly ok: false; readonly reason: string };

export class Heartbeats {
  /** New at every start of the agent: tokens for an earlier run are refused. */
  readonly runId = randomUUID();
  readonly #deps: HeartbeatDeps;
  readonly #stopped = new AbortController();
  #hurry = new AbortController();
  #sequence = 0;
  #memory: string | undefined;
  #unprovenBeats = 0;
  #failures = 0;
  #lastFailure = "";
  #backend: Heartbeat["backend"] | undefined;
  #resynced = false;
  #loop: Promise<void> = Promise.resolve();
  /** Who waits until the next heartbeat has been heard. */
  #untold: (() => void)[] = [];
  /** Models in memory, as the edge has last heard. */
  #toldRunning: ReadonlySet<string> = new Set();

  constructor(deps: HeartbeatDeps) {
    this.#deps = deps;
  }

  /** Sends the first heartbeat and goes on in the background; resolves with whether the edge took it. */
  async start(): Promise<Beat> {
    const first = await this.#beat();
    this.#loop = this.#run(this.#pauseAfter(first));
    return first;
  }

  /** Sends the next heartbeat at once: something has changed that the cell should know. */
  hurry(): void {
    this.#hurry.abort();
  }

  /** Tells the edge what is now; resolves when it has heard, or has been away for 2 s. */
  async report(): Promise<void> {
    const told = Promise.withResolvers<void>();
    this.#untold.push(told.resolve);
    this.hurry();
    const given = new AbortController();
    await Promise.race([told.promise, sleep(REPORT_LIMIT_MS, AbortSignal.any([given.signal, this.#stopped.signal]))]);
    given.abort();
  }

  /** Whether the edge has heard that a model, by its canonical key, is in memory. */
  hasTold(model: string): boolean {
    return this.#toldRunning.has(model);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#loop;
  }

  async #run(firstPauseMs: number): Promise<void> {
    let pauseMs = firstPauseMs;
    while (!this.#stopped.signal.aborted) {
      await this.#pause(pauseMs);
      if (this.#stopped.signal.aborted) return;
      // Before the heartbeat is made, so that what changes meanwhile is told by the next one.
      this.#hurry = new AbortController();
      const untold = this.#untold;
      this.#untold = [];
      pauseMs = this.#pauseAfter(await this.#beat());
      for (const resolve of untold) resolve();
    }
  }

  /** Waits, but not longer than until something changes: `hurry`, or an Ollama that was away answers again. */
  async #pause(pauseMs: number): Promise<void> {
    const until = performance.now() + pauseMs;
    await sleep(Math.min(pauseMs, SHORTEST_PAUSE_MS), this.#stopped.signal);
    const signal = AbortSignal.any([this.#stopped.signal, this.#hurry.signal]);
    while (!signal.aborted) {
      const leftMs = until - performance.now();
      if (leftMs <= 0) return;
      await sleep(this.#backend === "up" ? leftMs : Math.min(leftMs, LOOK_FOR_RETURN_MS), signal);
      if (this.#backend === "down" && !signal.aborted && (await this.#deps.probe.isUp())) return;
    }
  }

  #pauseAfter(beat: Beat): number {
    const jitter = 1 + JITTER * (2 * Math.random() - 1);
    if (beat.ok) {
      if (this.#failures > 0) this.#deps.log({ event: "heartbeat-accepted", failures: this.#failures });
      this.#failures = 0;
      this.#lastFailure = "";
      // Every heartbeat is a full report, so one more answers a resync; never two in a row.
      this.#resynced = beat.answer.resync && !this.#resynced;
      return this.#resynced ? 0 : beat.answer.intervalMs * jitter;
    }
    this.#failures += 1;
    if (this.#lastFailure !== beat.reason && !this.#stopped.signal.aborted) {
      this.#deps.log({ event: "heartbeat-failed", reason: beat.reason });
      this.#lastFailure = beat.reason;
    }
    const intervalMs = this.#deps.membership.heartbeatIntervalMs;
    return Math.min(BACKOFF_MAX_MS, intervalMs * 2 ** Math.min(this.#failures - 1, 6)) * jitter;
  }

  /** One heartbeat; a second at once where the cell has started anew and wants to be named. */
  async #beat(): Promise<Beat> {
    const first = await this.#beatOnce();
    return first === "new-cell" ? this.#orFailed(await this.#beatOnce()) : first;
  }

  /** A beat may be refused because the edge's time has moved under it; plain workerd says its time only when asked. */
  async #learnTime(dateHeader: string | undefined): Promise<void> {
    const { clock, membership } = this.#deps;
    if (dateHeader === undefined) await learnEdgeTime(membership.edgeUrl, clock);
    else clock.learnFromDate(dateHeader);
  }

  #orFailed(beat: Beat | "new-cell"): Beat {
    return beat === "new-cell" ? { ok: false, reason: "the cell starts anew again and again" } : beat;
  }

  async #beatOnce(): Promise<Beat | "new-cell"> {
    const { leases, limits, clock } = this.#deps;
    const finished = leases.unacknowledged();
    const report = await this.#report(finished);
    const body = Buffer.from(JSON.stringify(report));
    const sentAt = Date.now();
    try {
      const answer = await this.#send(body);
      if (answer.status !== 200) {
        await this.#learnTime(answer.dateHeader);
        const newCell = newCellSchema.safeParse(parseJson(answer.text));
        if (!newCell.success) return { ok: false, reason: refusalOf(answer.status) };
        this.#memory = newCell.data.memory;
        return "new-cell";
      }
      const parsed = heartbeatAnswerSchema.safeParse(parseJson(answer.text));
      if (!parsed.success) return { ok: false, reason: "the edge's answer has a wrong shape" };
      clock.learn(parsed.data.edgeTimeMs, sentAt, Date.now());
      leases.acknowledge(finished);
      limits.learn(parsed.data.limits);
      this.#memory = parsed.data.memory;
      this.#noteProof(parsed.data.unproven === true);
      this.#toldRunning = keysOf(report.running);
      for (const order of parsed.data.orders) this.#deps.carryOut(order);
      return { ok: true, answer: parsed.data };
    } catch (cause) {
      return { ok: false, reason: faultOf(cause) };
    }
  }

  /** The first answer always says so: the edge asks through the hostname only then. */
  #noteProof(unproven: boolean): void {
    this.#unprovenBeats = unproven ? this.#unprovenBeats + 1 : 0;
    if (this.#unprovenBeats === 3) this.#deps.log({ event: "not-reached-through-hostname" });
  }

  async #report(finished: readonly FinishedLease[]): Promise<Heartbeat> {
    const { probe, leases, loads, slots, membership } = this.#deps;
    const observation = await probe.observe();
    if (observation.backend !== this.#backend) this.#deps.log({ event: `ollama-${observation.backend}` });
    this.#backend = observation.backend;
    this.#sequence += 1;
    return {
      runId: this.runId,
      sequence: this.#sequence,
      cell: membership.cell,
      ...(this.#memory === undefined ? {} : { memory: this.#memory }),
      agentVersion: AGENT_VERSION,
      ...observation,
      ...this.#deps.also(),
      slots,
      parallel: Math.min(slots, MAX_PARALLEL),
      active: leases.active(),
      finished: [...finished],
      loading: loads.running().slice(0, MAX_LOADING),
      forcedCancels: leases.forcedCancels(),
    };
  }

  async #send(body: Buffer) {
    const { membership, keys, clock } = this.#deps;
    const { hostId, issuer, edgeUrl } = membership;
    const bodySha256 = await sha256Base64Url(body);
    const claims = { hostId, runId: this.runId, sequence: this.#sequence, bodySha256 };
    const token = await signHostToken(keys, { ...claims, issuer, now: clock.now() });
    return await call(new URL(`/hive/v1/hosts/${hostId}/heartbeat`, edgeUrl), {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body,
      timeoutMs: BEAT_LIMIT_MS,
      signal: this.#stopped.signal,
    });
  }
}

function keysOf(rows: readonly { readonly name: string }[]): Set<string> {
  return new Set(
    rows.flatMap(({ name }) => {
      const parsed = parseModelName(name);
      return parsed.ok ? [parsed.value.canonical] : [];
    }),
  );
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await wait(ms, undefined, { signal }).catch(() => undefined);
}

function refusalOf(status: number): string {
  if (status === 401) return "the edge does not know this host (removed, or joined elsewhere since); join anew";
  if (status === 409) return "another agent runs with this host's identity; stop one of them";
  return `the edge answered ${status}`;
}
