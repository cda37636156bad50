// Generated workloads have the rates, bursts, reuse and shares they are asked for.
import { describe, expect, it } from "vitest";
import { commonTokens } from "../../../src/sim/routing/prompt-cache.ts";
import { generateWorkload, TOOL_AGENT } from "../../../src/sim/routing/workload.ts";
import type { WorkloadSpec } from "../../../src/sim/routing/workload.ts";

const CHAT: WorkloadSpec = {
  seed: 1,
  durationMs: 4_000_000,
  requestsPerSecond: 5,
  models: ["m"],
  prompts: { type: "chat", promptTokens: 1000, outputTokens: 200 },
};

function variationOf(gaps: readonly number[]): number {
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  return Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length) / mean;
}

function gapsOf(spec: WorkloadSpec): number[] {
  const items = generateWorkload(spec);
  return items.slice(1).map(({ at }, index) => at - (items[index]?.at ?? 0));
}

describe("generated workloads (§3)", () => {
  it("are the same for the same seed and others for others", () => {
    const brief = { ...CHAT, durationMs: 20_000 };
    expect(generateWorkload(brief)).toEqual(generateWorkload(brief));
    expect(generateWorkload(brief)).not.toEqual(generateWorkload({ ...brief, seed: 2 }));
  });

  it("arrive at the rate asked for, as a Poisson process", () => {
    const gaps = gapsOf(CHAT);
    expect(gaps.length / 20_000).toBeCloseTo(1, 1);
    expect(variationOf(gaps)).toBeCloseTo(1, 1);
  });

  it("arrive in bursts with a variation of 13", () => {
    const variation = variationOf(gapsOf({ ...CHAT, durationMs: 40_000_000, variation: 13 }));
    expect(variation).toBeGreaterThan(10);
    expect(variation).toBeLessThan(16);
  });

  it("share heads of about 6.1 k tokens between agents, with answers of 3 to 50 tokens", () => {
    const items = generateWorkload({ ...CHAT, durationMs: 60_000, prompts: TOOL_AGENT });
    const [first, ...others] = items;
    const shared = others.map(({ prompt }) => commonTokens(first?.prompt, prompt));
    expect(new Set(shared)).toEqual(new Set([0, 12 * 512]));
    expect(items.every(({ outputTokens }) => outputTokens >= 3 && outputTokens <= 50)).toBe(true);
  });

  it("ask for many models by Zipf's law", () => {
    const models = ["a", "b", "c", "d"];
    const counts = Map.groupBy(generateWorkload({ ...CHAT, models }), ({ model }) => model);
    const [a = 0, b = 1] = models.map((model) => counts.get(model)?.length);
    expect(a / b).toBeCloseTo(2, 0);
  });

  it("come from each tenant alike, and leave everything else as it is for one", () => {
    const tenants = ["a", "b", "c"];
    const many = generateWorkload({ ...CHAT, tenants });
    const counts = Map.groupBy(many, ({ tenant }) => tenant);
    for (const tenant of tenants) expect((counts.get(tenant)?.length ?? 0) / many.length).toBeCloseTo(1 / 3, 1);
    const one = generateWorkload(CHAT);
    expect(many.map(({ at, prompt }) => [at, prompt])).toEqual(one.map(({ at, prompt }) => [at, prompt]));
  });
});
