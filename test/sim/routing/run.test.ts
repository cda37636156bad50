// A run around the real fleet: complete, repeatable, and sensitive to what it should be sensitive to.
import { describe, expect, it } from "vitest";
import { HOST_KINDS, MODEL_KINDS } from "../../../src/sim/routing/calibration.ts";
import type { HostKindName } from "../../../src/sim/routing/calibration.ts";
import type { HostSpec } from "../../../src/sim/routing/host-spec.ts";
import { hive } from "../../../src/sim/routing/hive-router.ts";
import { PEERS } from "../../../src/sim/routing/peers/table.ts";
import { observe, simulate } from "../../../src/sim/routing/run.ts";
import { generateWorkload, TOOL_AGENT } from "../../../src/sim/routing/workload.ts";
import type { WorkloadSpec } from "../../../src/sim/routing/workload.ts";
import { POLICY_NAMES } from "../../../src/wire/settings.ts";

const MODEL = MODEL_KINDS["llama3:8b"];

function fleetOf(kinds: readonly HostKindName[], changes: Partial<HostSpec> = {}): HostSpec[] {
  return kinds.map((kind, index) => {
    return { id: `host-${index}`, kind: HOST_KINDS[kind], parallel: 2, models: [MODEL], ...changes };
  });
}

function chat(changes: Partial<WorkloadSpec> = {}) {
  return generateWorkload({
    seed: 1,
    durationMs: 120_000,
    requestsPerSecond: 1,
    models: [MODEL.name],
    prompts: { type: "chat", promptTokens: 800, outputTokens: 150 },
    ...changes,
  });
}

const BASE = { fleet: fleetOf(["rtx3090", "rtx3090"]), seed: 1, numCtx: 8_192 } as const;

describe("a run", () => {
  it.each(POLICY_NAMES)("serves every request once under %s, and the same way for the same seed", (policy) => {
    const workload = chat();
    const result = simulate({ ...BASE, workload, router: hive(policy) });
    expect(result.served).toBe(workload.length);
    expect([result.unfinished, result.refused]).toEqual([0, {}]);
    expect(simulate({ ...BASE, workload, router: hive(policy) })).toEqual(result);
  });

  it("gives another result for another seed where the policy is left to chance", () => {
    const workload = chat();
    const [one, two] = [1, 2].map((seed) => simulate({ ...BASE, workload, router: hive("random"), seed }));
    expect(one).not.toEqual(two);
  });

  it("leaves a lone request the time of its load, prompt and answer", () => {
    const prompt = { tokens: 512, blocks: [1], blockTokens: 512 };
    const [template] = chat();
    if (template === undefined) throw new Error("no request");
    const lone = { ...template, at: 0, prompt, outputTokens: 101 };
    const { ttftMs, completionMs } = simulate({ ...BASE, workload: [lone], router: hive("round_robin") });
    expect(ttftMs.mean).toBeCloseTo(800 + 4.9e9 / 2.5e6 + (512 + 512 ** 2 / 32_768) / 3.865, 3);
    expect(completionMs.mean - ttftMs.mean).toBeGreaterThan(100 / 0.112);
  });

  it("answers sooner with more hosts when one is not enough", () => {
    const workload = chat({ requestsPerSecond: 2 });
    const [one, two] = [["rtx3090"], ["rtx3090", "rtx3090"]].map((kinds) => {
      const fleet = kinds.map((_, index) => ({ ...fleetOf(["rtx3090"])[0], id: `host-${index}` }) as HostSpec);
      return simulate({ ...BASE, fleet, workload, router: hive("least_connections") }).completionMs.mean;
    });
    expect(two ?? 0).toBeLessThan((one ?? 0) * 0.7);
  });

  it("keeps requests in the router's queue and never in a host's", () => {
    const workload = chat({ requestsPerSecond: 20, durationMs: 10_000 });
    const { queuedMs, ttftMs, served } = simulate({ ...BASE, workload, router: hive("least_connections") });
    expect(served).toBe(workload.length);
    expect(queuedMs.p95).toBeGreaterThan(5_000);
    expect(ttftMs.p95 - queuedMs.p95).toBeLessThan(5_000);
  });

  it("loses no slot to leases that heartbeats list under other names", () => {
    const workload = chat({ requestsPerSecond: 1.5, durationMs: 300_000 });
    const fleet = fleetOf(["rtx3060", "rtx3070", "m1Max"]);
    const [ours, pull] = [hive("least_connections"), PEERS["peer:hivecore_pull"].make].map(
      (router) => simulate({ ...BASE, fleet, workload, router }).ttftMs.mean,
    );
    expect(ours ?? 0).toBeLessThan((pull ?? 0) * 1.25);
  });

  it("refuses by code when the queue's time runs out", () => {
    const workload = chat({ requestsPerSecond: 20, durationMs: 10_000 });
    const result = simulate({ ...BASE, workload, router: hive("least_connections"), queueTimeoutMs: 5_000 });
    expect(result.refused["queue_timeout"]).toBeGreaterThan(0);
    expect(result.served + (result.refused["queue_timeout"] ?? 0)).toBe(workload.length);
  });

  it("finds shared heads in the hosts' caches", () => {
    const workload = chat({ prompts: TOOL_AGENT });
    const { hitPercent } = simulate({ ...BASE, workload, router: hive("least_connections") });
    expect(hitPercent).toBeGreaterThan(50);
    expect(simulate({ ...BASE, workload: chat(), router: hive("least_connections") }).hitPercent).toBe(0);
  });

  it("counts the loads of models that do not fit together", () => {
    const models = [MODEL_KINDS["qwen2.5:14b"], MODEL_KINDS["qwen2.5:32b"]];
    const workload = chat({ models: models.map(({ name }) => name), requestsPerSecond: 0.2 });
    const fleet = fleetOf(["rtx3090"], { models });
    const swapping = simulate({ ...BASE, fleet, workload, numCtx: 2_048, router: hive("round_robin") });
    expect(swapping.loadsPerHour).toBeGreaterThan(60);
    expect(swapping.served).toBe(workload.length);
  });

  it("tells how evenly tenants were served", () => {
    const even = simulate({ ...BASE, workload: chat({ tenants: ["a", "b"] }), router: hive("round_robin") });
    const flooded = chat({ tenants: ["a", "a", "a", "a", "a", "a", "a", "a", "a", "b"] });
    const { jain } = simulate({ ...BASE, workload: flooded, router: hive("round_robin") });
    expect(even.jain).toBeGreaterThan(0.9);
    expect(jain).toBeLessThan(0.8);
  });
});

describe("a world with faults", () => {
  const HOSTS = ["rtx3090", "rtx3090"] as const;
  const fleet = fleetOf(HOSTS);
  const router = hive("predicted_latency");

  it("tries requests of a dead host elsewhere unless their answer had begun", () => {
    const workload = chat({ requestsPerSecond: 1.5 });
    const faults = [{ at: 60_000, hostId: "host-0", type: "crash" }] as const;
    const { metrics, observations } = observe({ ...BASE, fleet, workload, router, faults });
    expect(metrics.served + metrics.broken).toBe(workload.length);
    expect(metrics.broken).toBeGreaterThan(0);
    expect(observations.filter(({ at, hostId }) => at > 61_000 && hostId === "host-0")).toEqual([]);
  });

  it("lets a host that starts late take its part", () => {
    const workload = chat({ requestsPerSecond: 2 });
    const faults = [{ at: 60_000, hostId: "host-1", type: "start" }] as const;
    const { observations } = observe({ ...BASE, fleet, workload, router, faults });
    const late = observations.filter(({ hostId }) => hostId === "host-1").map(({ at, queuedMs }) => at + queuedMs);
    expect(late.length).toBeGreaterThan(workload.length / 6);
    expect(Math.min(...late)).toBeGreaterThanOrEqual(60_000);
  });

  it("comes back after a crash with nothing in memory", () => {
    const workload = chat({ requestsPerSecond: 0.5 });
    const only = fleetOf(["rtx3090"]);
    const faults = [
      { at: 60_000, hostId: "host-0", type: "crash" },
      { at: 61_000, hostId: "host-0", type: "start" },
    ] as const;
    const undisturbed = simulate({ ...BASE, fleet: only, workload, router });
    const { metrics, observations } = observe({ ...BASE, fleet: only, workload, router, faults });
    expect(metrics.loadsPerHour).toBeGreaterThan(undisturbed.loadsPerHour * 1.5);
    expect(observations.some(({ at }) => at > 70_000)).toBe(true);
  });

  it("gives slots back when clients leave, and counts them as left", () => {
    const workload = chat({ requestsPerSecond: 3, durationMs: 60_000 });
    const impatient = workload.map((item, index) => (index % 2 === 0 ? { ...item, patienceMs: 1_500 } : item));
    const one = fleetOf(["rtx3090"]);
    const [all, half] = [workload, impatient].map((asked) =>
      simulate({ ...BASE, fleet: one, workload: asked, router }),
    );
    expect(half?.left).toBeGreaterThan(0);
    expect((half?.left ?? 0) + (half?.served ?? 0)).toBe(workload.length);
    expect(half?.completionMs.mean ?? Infinity).toBeLessThan((all?.completionMs.mean ?? 0) * 0.8);
  });

  it("lets requests past the router slow those through it", () => {
    const workload = chat({ requestsPerSecond: 0.5 });
    const one = fleetOf(["rtx3090"]);
    const foreign = chat({ seed: 9, requestsPerSecond: 0.7 }).map((item) => ({ item, hostId: "host-0" }));
    const [alone, beside] = [[], foreign].map((others) =>
      simulate({ ...BASE, fleet: one, workload, router, foreign: others }),
    );
    expect(beside?.served).toBe(workload.length);
    expect(beside?.ttftMs.mean ?? 0).toBeGreaterThan((alone?.ttftMs.mean ?? Infinity) * 1.2);
  });

  it("tells the fleet prompts up to 15 % off, and the same for the same seed", () => {
    const workload = chat({ requestsPerSecond: 1.5, prompts: { type: "chat", promptTokens: 2_500, outputTokens: 80 } });
    const [one, two, exact] = [0.15, 0.15, 0].map((tokenNoise) =>
      simulate({ ...BASE, fleet: fleetOf(["rtx3090", "m1Max"]), workload, router, tokenNoise }),
    );
    expect(two).toEqual(one);
    expect(one?.ttftMs).not.toEqual(exact?.ttftMs);
  });

  it("bears late heartbeats", () => {
    const workload = chat({ requestsPerSecond: 1.5 });
    const late = simulate({ ...BASE, fleet, workload, router, heartbeatDelayMs: 2_000 });
    expect([late.served, late.refused]).toEqual([workload.length, {}]);
  });

  it("runs embeddings one at a time beside chats", () => {
    const model = MODEL_KINDS["nomic-embed-text"];
    const prompts = { type: "chat", promptTokens: 2_000, outputTokens: 1 } as const;
    const embeds = chat({ seed: 5, models: [model.name], prompts }).map((item) => ({
      ...item,
      kind: "embed" as const,
    }));
    const workload = [...chat({ requestsPerSecond: 0.5 }), ...embeds].sort((a, b) => a.at - b.at);
    const both = fleetOf(HOSTS, { models: [MODEL, model] });
    expect(simulate({ ...BASE, fleet: both, workload, router }).served).toBe(workload.length);
  });

  it("runs 12,000 requests in less than 30 s", () => {
    const workload = chat({ durationMs: 3_600_000, requestsPerSecond: 3.4 });
    expect(workload.length).toBeGreaterThan(12_000);
    const startedAt = performance.now();
    const result = simulate({ ...BASE, fleet: fleetOf(["h100", "rtx4090", "rtx3090", "rtx3090"]), workload, router });
    expect(performance.now() - startedAt).toBeLessThan(30_000);
    expect(result.served).toBe(workload.length);
  });
});
