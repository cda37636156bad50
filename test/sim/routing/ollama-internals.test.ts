// What routing.md §1 says of Ollama beyond loads, eviction and slots: each statement that the host model holds to, by its section.
import { beforeEach, describe, expect, it } from "vitest";
import { HOST_KINDS, loadMs, runnerBytes } from "../../../src/sim/routing/calibration.ts";
import { FleetHost } from "../../../src/sim/routing/fleet-host.ts";
import type { Served } from "../../../src/sim/routing/host-spec.ts";
import type { VirtualTime } from "../../../src/sim/routing/virtual-time.ts";
import { EMBEDDER, HostBench, HUGE, LARGE, loadedOn, MODEL, resultOf, SMALL, WARM_MS } from "./host-bench.ts";

let bench: HostBench;
let time: VirtualTime;

beforeEach(() => {
  bench = new HostBench();
  ({ time } = bench);
});

const took = ({ submittedAt, finishedAt }: Served): number => finishedAt - submittedAt;

describe("§1.1 scheduler", () => {
  it("has one runner per model: two contexts are never in memory at once", () => {
    const host = bench.hostOf({ kind: HOST_KINDS.h100 });
    bench.ask(host, { numCtx: 4_096 });
    bench.ask(host, { at: WARM_MS, numCtx: 8_192 });
    time.runUntil(2 * WARM_MS);
    expect(host.loadedModels.map(({ numCtx }) => numCtx)).toEqual([8_192]);
  });

  it("keeps three models per GPU unless told otherwise", () => {
    const host = bench.hostOf({ kind: HOST_KINDS.h100 });
    bench.warm(host, SMALL.name, MODEL.name, LARGE.name, EMBEDDER.name);
    expect(host.maxLoaded).toBe(3);
    expect(host.loadedModels).toHaveLength(3);
  });

  it("waits until GPU memory is back after an unload, and not where memory is shared", () => {
    const [gpu, apple] = [HOST_KINDS.rtx3090, HOST_KINDS.m2Ultra].map((kind) => {
      const host = bench.hostOf({ kind, maxLoaded: 1 });
      const at = time.now;
      bench.ask(host, { at });
      const next = bench.ask(host, { at: at + WARM_MS, model: SMALL.name });
      time.runUntil(at + 2 * WARM_MS);
      return resultOf(next).loadMs - loadMs(kind, SMALL, false);
    });
    expect(gpu).toBeCloseTo(1_000);
    expect(apple).toBeCloseTo(0);
  });

  it("makes the keep-alive of a request the runner's new value", () => {
    const host = bench.hostOf();
    bench.ask(host, { keepAliveMs: Infinity });
    bench.ask(host, { at: WARM_MS, keepAliveMs: 10_000 });
    time.runUntil(WARM_MS + 9_000);
    expect(loadedOn(host)).toEqual([MODEL.name]);
    time.runUntil(WARM_MS + 11_000);
    expect(loadedOn(host)).toEqual([]);
  });

  it("starts the keep-alive's time when the runner is idle, not when it is asked", () => {
    const host = bench.hostOf();
    bench.warm(host, MODEL.name);
    const long = bench.ask(host, { outputTokens: 3_000, keepAliveMs: 5_000 });
    time.runUntil(WARM_MS + 20_000);
    expect(long.result).toBeUndefined();
    expect(loadedOn(host)).toEqual([MODEL.name]);
  });

  it("aborts a load when the client that waits for it leaves, so that the next begins anew", () => {
    const host = bench.hostOf();
    const first = bench.ask(host, { model: LARGE.name, leavesAt: 2_000 });
    const second = bench.ask(host, { at: 3_000, model: LARGE.name });
    time.runUntil(WARM_MS);
    expect(first.result).toBeUndefined();
    expect(host.loads).toBe(2);
    expect(resultOf(second).loadMs).toBeGreaterThanOrEqual(loadMs(HOST_KINDS.rtx3090, LARGE, true));
  });

  it("goes on to the next model when a client leaves that waits behind a load", () => {
    const host = bench.hostOf({ kind: HOST_KINDS.h100 });
    bench.ask(host, { model: LARGE.name });
    const gone = bench.ask(host, { model: HUGE.name, leavesAt: 1_000 });
    const next = bench.ask(host, { model: SMALL.name });
    time.runUntil(WARM_MS);
    expect(gone.result).toBeUndefined();
    expect(loadedOn(host)).toEqual([LARGE.name, SMALL.name]);
    const loads = [LARGE, SMALL].map((model) => loadMs(HOST_KINDS.h100, model, false));
    expect(resultOf(next).loadMs).toBeCloseTo((loads[0] ?? 0) + (loads[1] ?? 0));
  });
});

describe("§1.2 parallelism", () => {
  it("needs memory for the context of every slot: an RTX 3060 with two slots of 32 k offloads, with one it does not", () => {
    const [one, two] = [1, 2].map((parallel) => {
      const host = bench.hostOf({ kind: HOST_KINDS.rtx3060, parallel });
      bench.ask(host, { at: time.now, numCtx: 32_768 });
      time.runUntil(time.now + WARM_MS);
      const [loaded] = host.loadedModels;
      return (loaded?.sizeVramBytes ?? 0) < (loaded?.sizeBytes ?? 0);
    });
    expect([one, two]).toEqual([false, true]);
    expect(runnerBytes(MODEL, 2, 32_768) - runnerBytes(MODEL, 1, 32_768)).toBe(32_768 * MODEL.kvBytesPerToken);
  });

  it("serves embeddings one at a time whatever OLLAMA_NUM_PARALLEL says (§1.5: a batch is serial)", () => {
    const host = bench.hostOf({ parallel: 4 });
    bench.warm(host, EMBEDDER.name);
    const batch = Array.from({ length: 4 }, () => bench.ask(host, { model: EMBEDDER.name, tokens: 4_096 }));
    time.runUntil(2 * WARM_MS);
    const ends = batch.map((fate) => resultOf(fate).finishedAt - WARM_MS);
    expect((ends[3] ?? 0) / (ends[0] ?? 1)).toBeCloseTo(4, 1);
    expect(batch.map((fate) => resultOf(fate).slotWaitMs > 0)).toEqual([false, true, true, true]);
  });
});

describe("§1.3 prompt cache", () => {
  it("loses all affinity with the process: an unload or a crash forgets every prompt", () => {
    const blocks = [1, 2, 3, 4];
    const again = (forget: (host: ReturnType<HostBench["hostOf"]>) => void): number => {
      const host = bench.hostOf();
      const at = time.now;
      bench.ask(host, { at, tokens: 2_048, blocks });
      time.at(at + WARM_MS, () => forget(host));
      const fate = bench.ask(host, { at: at + WARM_MS + 5_000, tokens: 2_048, blocks });
      time.runUntil(at + 2 * WARM_MS);
      return resultOf(fate).cachedTokens;
    };
    expect(again(() => undefined)).toBe(2_047);
    expect(again((host) => host.unload(MODEL.name))).toBe(0);
    expect(again((host) => host.crash())).toBe(0);
  });

  it("remembers only what its slots hold before 0.30, without prompts in host memory", () => {
    const [old, young] = [0, undefined].map((hostCacheBytes) => {
      const host = bench.hostOf({ hostCacheBytes });
      const at = time.now;
      bench.ask(host, { at, tokens: 2_048, blocks: [1, 2, 3, 4] });
      bench.ask(host, { at: at + WARM_MS, tokens: 2_048, blocks: [5, 6, 7, 8] });
      const back = bench.ask(host, { at: at + 2 * WARM_MS, tokens: 2_048, blocks: [1, 2, 3, 4] });
      time.runUntil(at + 3 * WARM_MS);
      return resultOf(back).cachedTokens;
    });
    expect([old, young]).toEqual([0, 2_047]);
  });
});

describe("§1.4 what a host tells", () => {
  it("counts cached tokens in the prompt's tokens and not in its time, and hides the wait for a slot", () => {
    const host = new FleetHost({ id: "a", kind: HOST_KINDS.rtx3090, parallel: 1, models: [MODEL] }, time);
    const client = {
      firstToken: () => undefined,
      served: () => undefined,
      refused: () => undefined,
      failed: () => undefined,
    };
    const prompt = { tokens: 4_096, blocks: [1, 2, 3, 4, 5, 6, 7, 8], blockTokens: 512 };
    const request = { model: MODEL.name, prompt, outputTokens: 50, numCtx: 8_192 };
    for (const id of ["first", "second", "third"]) host.run(id, request, client);
    time.runUntil(WARM_MS);
    const [first, , third] = host.beat().finished;
    expect(third?.promptTokens).toBe(4_096);
    expect(third?.promptMs ?? 0).toBeLessThan((first?.promptMs ?? 0) / 10);
    const told = (third?.loadMs ?? 0) + (third?.promptMs ?? 0) + (third?.outputMs ?? 0);
    expect((third?.totalMs ?? 0) - told).toBeGreaterThan(500);
  });
});

describe("§1.5 cancellation", () => {
  it("frees the slot of a client that has left within a second and a batch", () => {
    const host = bench.hostOf();
    bench.warm(host, MODEL.name);
    const gone = bench.ask(host, { outputTokens: 3_000, leavesAt: WARM_MS + 3_300 });
    const next = bench.ask(host, { at: WARM_MS + 100 });
    time.runUntil(3 * WARM_MS);
    expect(gone.result).toBeUndefined();
    const startedAt = resultOf(next).submittedAt + resultOf(next).slotWaitMs;
    expect(startedAt - WARM_MS).toBeGreaterThan(3_300);
    expect(startedAt - WARM_MS).toBeLessThanOrEqual(4_300);
  });

  it("takes a client that waits for a slot out of the line at once or at the next look", () => {
    const host = bench.hostOf();
    bench.warm(host, MODEL.name);
    bench.ask(host, { outputTokens: 500 });
    bench.ask(host, { outputTokens: 3_000, leavesAt: WARM_MS + 200 });
    const next = bench.ask(host, { at: WARM_MS + 300 });
    time.runUntil(3 * WARM_MS);
    expect(took(resultOf(next))).toBeLessThan(6_000);
  });

  it("fails every request of a host that dies, and answers nobody after", () => {
    const host = bench.hostOf();
    bench.warm(host, MODEL.name);
    const fates = [bench.ask(host, { outputTokens: 500 }), bench.ask(host), bench.ask(host, { model: SMALL.name })];
    time.at(WARM_MS + 1_000, () => host.crash());
    time.runUntil(3 * WARM_MS);
    expect(fates.map(({ failed, result }) => [failed, result])).toEqual(fates.map(() => [true, undefined]));
    expect(loadedOn(host)).toEqual([]);
  });
});
