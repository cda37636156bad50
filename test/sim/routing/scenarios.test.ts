// The scenarios are what the benchmark says they are, and repeat themselves.
import { describe, expect, it } from "vitest";
import { SCENARIOS } from "../../../src/sim/routing/scenarios.ts";
import type { Scenario } from "../../../src/sim/routing/scenarios.ts";
import { openTraces } from "../../../src/sim/routing/trace-files.ts";

const traces = openTraces("no such folder");
const all: readonly Scenario[] = Object.values(SCENARIOS);

describe.each(all)("scenario $name", (scenario) => {
  const workload = scenario.workload(traces, 1);

  it("has requests in order of time, for models that its hosts have, within its context", () => {
    expect(workload.length).toBeGreaterThan(500);
    expect(workload.every(({ at }, index) => at >= (workload[index - 1]?.at ?? 0))).toBe(true);
    const names = new Set(scenario.fleet.flatMap(({ models }) => models.map(({ name }) => name)));
    expect(workload.filter(({ model }) => !names.has(model))).toEqual([]);
    if (scenario.fleet[0]?.contextLength === 32_768)
      expect(Math.max(...workload.map(({ prompt }) => prompt.tokens))).toBeLessThan(32_768);
  });

  it("is the same for the same seed and another for another", () => {
    expect(scenario.workload(traces, 1)).toEqual(workload);
    expect(scenario.workload(traces, 2)).not.toEqual(workload);
  });
});

describe("the mixes", () => {
  it("asks for six models by Zipf's law in D", () => {
    const counts = new Map<string, number>();
    for (const { model } of SCENARIOS.D.workload(traces, 1)) counts.set(model, (counts.get(model) ?? 0) + 1);
    const [first = 0, ...rest] = [...counts.values()].sort((a, b) => b - a);
    expect(counts.size).toBe(6);
    expect(first / (rest.at(-1) ?? 1)).toBeGreaterThan(4);
  });

  it("sends completions in violent bursts in C", () => {
    const code = SCENARIOS.C.workload(traces, 1).filter(({ model }) => model === "qwen2.5:14b");
    const gaps = code.slice(1).map(({ at }, index) => at - (code[index]?.at ?? 0));
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
    expect(deviation / mean).toBeGreaterThan(5);
  });

  it("lets agents and readers come back with all that was said before in E", () => {
    const workload = SCENARIOS.E.workload(traces, 1);
    const sessions = Map.groupBy(workload, ({ session }) => session);
    const longest = [...sessions.values()].reduce((a, b) => (b.length > a.length ? b : a));
    const [one, two] = [longest[0]?.prompt.blocks ?? [], longest[1]?.prompt.blocks ?? []];
    expect(two.slice(0, one.length)).toEqual(one);
    const heads = new Set(workload.filter(({ tenant }) => tenant === "tools").map(({ prompt }) => prompt.blocks[11]));
    expect(heads.size).toBe(4);
  });
});
