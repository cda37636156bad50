// The simulated host, rule by rule (routing.md §1 and §4).
import { beforeEach, describe, expect, it } from "vitest";
import { HOST_KINDS, loadMs, prefillWork } from "../../../src/sim/routing/calibration.ts";
import type { SimulatedHost } from "../../../src/sim/routing/host-model.ts";
import type { HostSpec, Served } from "../../../src/sim/routing/host-spec.ts";
import type { VirtualTime } from "../../../src/sim/routing/virtual-time.ts";
import { HostBench, HUGE, LARGE, loadedOn as names, MODEL, resultOf, SMALL, WARM_MS } from "./host-bench.ts";
import type { Asked, Fate } from "./host-bench.ts";

const RATE_PER_MS = HOST_KINDS.rtx3090.prefillPerSecond / 1000;
const DECODE_PER_MS = HOST_KINDS.rtx3090.decodePerSecond / 1000;

let bench: HostBench;
let time: VirtualTime;

beforeEach(() => {
  bench = new HostBench();
  ({ time } = bench);
});

const hostOf = (changes?: Partial<HostSpec>): SimulatedHost => bench.hostOf(changes);
const ask = (host: SimulatedHost, asked?: Asked): Fate => bench.ask(host, asked);
const warm = (host: SimulatedHost, ...models: string[]): void => bench.warm(host, ...models);

describe("loads (§1.1, §4)", () => {
  it("loads a model at its first request and answers the next at once", () => {
    const host = hostOf();
    const first = ask(host);
    const second = ask(host, { at: WARM_MS });
    time.runUntil(2 * WARM_MS);
    expect(resultOf(first).loadMs).toBeCloseTo(loadMs(HOST_KINDS.rtx3090, MODEL, false));
    expect(resultOf(second).loadMs).toBe(0);
    expect(host.loads).toBe(1);
  });

  it("does not list a model that is still loading (§1.4)", () => {
    const host = hostOf();
    ask(host);
    time.runUntil(1_000);
    expect(names(host)).toEqual([]);
    time.runUntil(10_000);
    expect(names(host)).toEqual([MODEL.name]);
  });

  it("loads one model at a time: the head of the queue blocks the others, loaded models go on", () => {
    const host = hostOf({ kind: HOST_KINDS.h100 });
    warm(host, MODEL.name);
    const slow = ask(host, { model: HUGE.name });
    const behind = ask(host, { model: SMALL.name });
    const served = ask(host, { at: WARM_MS + 10 });
    time.runUntil(2 * WARM_MS);
    const loads = [HUGE, SMALL].map((model) => loadMs(HOST_KINDS.h100, model, false));
    expect(resultOf(slow).loadMs).toBeCloseTo(loads[0] ?? 0);
    expect(resultOf(behind).loadMs).toBeCloseTo((loads[0] ?? 0) + (loads[1] ?? 0));
    expect(resultOf(served).loadMs).toBe(0);
  });

  it("answers 503 when as many requests wait for models as the queue holds, and 404 for a model it has not", () => {
    const host = hostOf({ maxQueue: 2 });
    const fates = [ask(host), ask(host), ask(host), ask(host, { model: "absent" })];
    time.runUntil(WARM_MS);
    expect(fates.map(({ refused }) => refused)).toEqual([undefined, undefined, 503, 404]);
  });

  it("never refuses a request for a loaded model, however many wait", () => {
    const host = hostOf({ maxQueue: 1 });
    warm(host, MODEL.name);
    const fates = Array.from({ length: 40 }, () => ask(host));
    time.runUntil(2 * WARM_MS);
    expect(fates.every(({ result }) => result !== undefined)).toBe(true);
  });

  it("reloads a model for another num_ctx and loses its prompt cache (§1.3)", () => {
    const host = hostOf();
    warm(host, MODEL.name);
    const blocks = [1, 2, 3];
    const before = ask(host, { tokens: 1_536, blocks });
    const other = ask(host, { at: WARM_MS + 5_000, tokens: 1_536, blocks, numCtx: 4_096 });
    time.runUntil(2 * WARM_MS);
    expect(resultOf(before).loadMs).toBe(0);
    expect(resultOf(other).loadMs).toBeGreaterThan(1_000);
    expect(resultOf(other).cachedTokens).toBe(0);
  });

  it("does not reload when a request without num_ctx meets the host's default", () => {
    const host = hostOf();
    ask(host, { numCtx: undefined });
    const same = ask(host, { at: WARM_MS, numCtx: 32_768 });
    time.runUntil(2 * WARM_MS);
    expect(resultOf(same).loadMs).toBe(0);
  });

  it("loads faster what is still in the page cache", () => {
    const host = hostOf();
    ask(host, { keepAliveMs: 0 });
    const again = ask(host, { at: WARM_MS });
    time.runUntil(2 * WARM_MS);
    expect(host.loads).toBe(2);
    expect(resultOf(again).loadMs).toBeCloseTo(loadMs(HOST_KINDS.rtx3090, MODEL, true));
  });
});

describe("eviction (§1.1)", () => {
  it("evicts when a new model would not fit in 80 % of free memory, and waits for the memory to come back", () => {
    const host = hostOf();
    warm(host, LARGE.name);
    const fate = ask(host, { model: HUGE.name, numCtx: 2_048 });
    time.runUntil(2 * WARM_MS);
    expect(names(host)).toEqual([HUGE.name]);
    expect(resultOf(fate).loadMs).toBeCloseTo(1_000 + loadMs(HOST_KINDS.rtx3090, HUGE, false));
  });

  it("evicts for a model that would fit in all of the free memory but not in 80 % of it", () => {
    const host = hostOf();
    warm(host, LARGE.name);
    // 13.0 GB asked for, 14.6 GB free.
    ask(host, { numCtx: 57_344 });
    time.runUntil(2 * WARM_MS);
    expect(names(host)).toEqual([MODEL.name]);
  });

  it("keeps both models when they fit", () => {
    const host = hostOf();
    warm(host, MODEL.name, SMALL.name);
    expect(names(host).sort()).toEqual([MODEL.name, SMALL.name].sort());
  });

  it("never keeps more models than allowed", () => {
    const host = hostOf({ kind: HOST_KINDS.h100, maxLoaded: 2 });
    warm(host, MODEL.name, SMALL.name, LARGE.name);
    expect(host.loadedModels).toHaveLength(2);
  });

  it("chooses the victim by keep-alive, then by name, and not by use", () => {
    const host = hostOf({ kind: HOST_KINDS.h100, maxLoaded: 2 });
    ask(host, { model: SMALL.name, keepAliveMs: Infinity });
    ask(host, { model: MODEL.name, keepAliveMs: 600_000 });
    ask(host, { at: WARM_MS, model: LARGE.name });
    time.runUntil(2 * WARM_MS);
    expect(names(host)).toEqual([SMALL.name, LARGE.name]);
    const byName = hostOf({ kind: HOST_KINDS.h100, maxLoaded: 2 });
    ask(byName, { at: time.now, model: SMALL.name });
    ask(byName, { at: time.now, model: MODEL.name });
    ask(byName, { at: time.now + WARM_MS, model: SMALL.name });
    ask(byName, { at: time.now + WARM_MS + 10_000, model: LARGE.name });
    time.runUntil(time.now + 2 * WARM_MS);
    // "llama3.2:3b" sorts before "llama3:8b", though it was used last.
    expect(names(byName)).toEqual([MODEL.name, LARGE.name]);
  });

  it("takes the first idle victim before a busy one", () => {
    const host = hostOf({ kind: HOST_KINDS.h100, maxLoaded: 2 });
    warm(host, SMALL.name, MODEL.name);
    ask(host, { model: SMALL.name, outputTokens: 2_000, keepAliveMs: Infinity });
    ask(host, { model: LARGE.name });
    time.runUntil(WARM_MS + 9_000);
    expect(names(host)).toEqual([SMALL.name, LARGE.name]);
  });

  it("lets a busy victim starve a cold load, for new requests still enter it", () => {
    const host = hostOf({ maxLoaded: 1 });
    warm(host, MODEL.name);
    for (let at = 0; at < 30_000; at += 1_000) ask(host, { at: WARM_MS + at, outputTokens: 200 });
    const cold = ask(host, { at: WARM_MS + 100, model: SMALL.name });
    time.runUntil(WARM_MS + 30_000);
    expect(cold.result).toBeUndefined();
    time.runUntil(3 * WARM_MS);
    expect(resultOf(cold).loadMs).toBeGreaterThan(30_000);
  });

  it("unloads an idle model when its keep-alive ends, five minutes unless told otherwise", () => {
    const host = hostOf();
    const fate = ask(host);
    time.runUntil(WARM_MS);
    const { finishedAt } = resultOf(fate);
    time.runUntil(finishedAt + 299_999);
    expect(names(host)).toEqual([MODEL.name]);
    time.runUntil(finishedAt + 300_001);
    expect(names(host)).toEqual([]);
  });

  it("unloads on request once the model is idle", () => {
    const host = hostOf();
    warm(host, MODEL.name);
    const fate = ask(host, { outputTokens: 500 });
    time.runUntil(WARM_MS + 100);
    host.unload(MODEL.name);
    expect(names(host)).toEqual([MODEL.name]);
    time.runUntil(2 * WARM_MS);
    expect(resultOf(fate).outputTokens).toBe(500);
    expect(names(host)).toEqual([]);
  });
});

describe("slots and speed (§1.2, §4)", () => {
  it("reads a prompt with the depth term and writes at the speed of one stream", () => {
    const host = hostOf();
    warm(host, MODEL.name);
    const { submittedAt, firstTokenAt, finishedAt } = (() => {
      const fate = ask(host, { tokens: 4_096, outputTokens: 101 });
      time.runUntil(2 * WARM_MS);
      return resultOf(fate);
    })();
    expect(firstTokenAt - submittedAt).toBeGreaterThanOrEqual(prefillWork(4_096, 0) / RATE_PER_MS);
    const writing = 100 / DECODE_PER_MS;
    expect((finishedAt - firstTokenAt) / writing).toBeGreaterThan(1 + 4_096 / 49_152);
    expect((finishedAt - firstTokenAt) / writing).toBeLessThan(1 + 4_296 / 49_152);
  });

  it("holds requests beyond its slots in order of arrival", () => {
    const host = hostOf({ parallel: 2 });
    warm(host, MODEL.name);
    const fates = [300, 200, 10, 10].map((outputTokens) => ask(host, { outputTokens }));
    time.runUntil(2 * WARM_MS);
    const [long, short, third, fourth] = fates.map(resultOf);
    expect([long?.slotWaitMs, short?.slotWaitMs]).toEqual([0, 0]);
    expect(third?.submittedAt).toBe(WARM_MS);
    expect(third?.slotWaitMs).toBeCloseTo((short?.finishedAt ?? 0) - WARM_MS);
    expect(fourth?.slotWaitMs).toBeCloseTo((third?.finishedAt ?? 0) - WARM_MS);
  });

  it("writes faster in total with several slots, and slower in each, by the curve", () => {
    const host = hostOf({ parallel: 4 });
    warm(host, MODEL.name);
    const alone = ask(host, { tokens: 1, outputTokens: 1_001 });
    time.runUntil(2 * WARM_MS);
    const fates = Array.from({ length: 4 }, () => ask(host, { tokens: 1, outputTokens: 1_001 }));
    time.runUntil(3 * WARM_MS);
    const writing = ({ firstTokenAt, finishedAt }: Served): number => finishedAt - firstTokenAt;
    const ratio = writing(resultOf(alone)) / writing(resultOf(fates[3] ?? {}));
    expect(ratio).toBeCloseTo(469 / 155 / 4, 1);
  });

  it("stalls its neighbours while it reads a long prompt: they get one token per step", () => {
    const host = hostOf({ parallel: 2 });
    warm(host, MODEL.name);
    const calm = ask(host, { outputTokens: 100 });
    time.runUntil(2 * WARM_MS);
    const stalled = ask(host, { outputTokens: 100 });
    const intruder = ask(host, { at: time.now + 200, tokens: 8_000 });
    time.runUntil(3 * WARM_MS);
    const reading = resultOf(intruder).firstTokenAt - resultOf(intruder).submittedAt;
    const delay =
      resultOf(stalled).finishedAt -
      resultOf(stalled).submittedAt -
      (resultOf(calm).finishedAt - resultOf(calm).submittedAt);
    // Eight steps of 1,024 tokens yield eight tokens, which alone would take 71 ms.
    expect(delay).toBeGreaterThan(reading - 100);
    expect(delay).toBeLessThan(reading);
  });

  it("reads one prompt after the other, in order of slots", () => {
    const host = hostOf({ parallel: 2 });
    warm(host, MODEL.name);
    const fates = [ask(host, { tokens: 2_048 }), ask(host, { tokens: 2_048 })];
    time.runUntil(2 * WARM_MS);
    // The first has slot 1, for slot 0 was used before; the second, in slot 0, is read ahead of it.
    const [first = 0, second = 1] = fates.map((fate) => resultOf(fate).firstTokenAt - WARM_MS);
    expect(first / second).toBeCloseTo(2, 1);
  });

  it("shares its device between busy models", () => {
    const host = hostOf();
    warm(host, MODEL.name, SMALL.name);
    const alone = ask(host, { outputTokens: 100 });
    time.runUntil(2 * WARM_MS);
    const beside = ask(host, { outputTokens: 100 });
    ask(host, { model: SMALL.name, outputTokens: 2_000 });
    time.runUntil(3 * WARM_MS);
    const took = ({ submittedAt, finishedAt }: Served): number => finishedAt - submittedAt;
    expect(took(resultOf(beside)) / took(resultOf(alone))).toBeCloseTo(2, 1);
  });

  it("reads only what the slot does not hold, and is the faster for it (§1.3)", () => {
    const host = hostOf();
    warm(host, MODEL.name);
    const first = ask(host, { tokens: 4_096, blocks: [1, 2, 3, 4, 5, 6, 7, 8] });
    const next = ask(host, { at: WARM_MS + 9_000, tokens: 4_608, blocks: [1, 2, 3, 4, 5, 6, 7, 8, 9] });
    time.runUntil(2 * WARM_MS);
    expect(resultOf(next).cachedTokens).toBe(4_096);
    const read = ({ submittedAt, firstTokenAt }: Served): number => firstTokenAt - submittedAt;
    expect(read(resultOf(next))).toBeLessThan(read(resultOf(first)) / 3);
  });

  it("is slower when a model does not fit in its memory (§1.4)", () => {
    const host = hostOf({ kind: HOST_KINDS.rtx3070 });
    const fate = ask(host, { model: HUGE.name, numCtx: 2_048 });
    time.runUntil(WARM_MS);
    const [loaded] = host.loadedModels;
    expect(loaded?.sizeVramBytes).toBe(HOST_KINDS.rtx3070.memoryBytes);
    expect(loaded?.sizeBytes).toBeGreaterThan(HOST_KINDS.rtx3070.memoryBytes);
    const { firstTokenAt, submittedAt, loadMs: loading } = resultOf(fate);
    const full = prefillWork(512, 0) / ((HOST_KINDS.rtx3070.prefillPerSecond / 1000) * (8 / 32.8));
    expect((firstTokenAt - submittedAt - loading) / full).toBeCloseTo(7, 1);
  });

  it("cuts a prompt longer than the context and keeps only its head for reuse (§1.3)", () => {
    const host = hostOf();
    warm(host, MODEL.name);
    const blocks = Array.from({ length: 20 }, (_, index) => index + 1);
    const first = ask(host, { tokens: 10_240, blocks });
    const again = ask(host, { at: WARM_MS + 9_000, tokens: 10_240, blocks });
    time.runUntil(2 * WARM_MS);
    expect(resultOf(first).promptTokens).toBe(8_192);
    expect(resultOf(again).cachedTokens).toBe(512);
  });
});
