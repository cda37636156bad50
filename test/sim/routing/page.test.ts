// The page: complete in itself, safe, and with a line for everybody.
import { describe, expect, it } from "vitest";
import { HOST_KINDS, MODEL_KINDS } from "../../../src/sim/routing/calibration.ts";
import { compare } from "../../../src/sim/routing/comparison.ts";
import { linearAxis, logAxis } from "../../../src/sim/routing/page/axis.ts";
import { writePage } from "../../../src/sim/routing/page/page.ts";
import { generateWorkload } from "../../../src/sim/routing/workload.ts";

const MODEL = MODEL_KINDS["llama3:8b"];
const POLICIES = ["predicted_latency", "peer:random", "clairvoyant"];

function workloadOf(requestsPerSecond: number) {
  const prompts = { type: "chat", promptTokens: 500, outputTokens: 50 } as const;
  return generateWorkload({ seed: 1, durationMs: 60_000, requestsPerSecond, models: [MODEL.name], prompts });
}

const comparison = compare({
  workload: workloadOf(1),
  fleet: [0, 1].map((index) => ({ id: `host-${index}`, kind: HOST_KINDS.rtx3090, parallel: 2, models: [MODEL] })),
  policies: POLICIES,
  seed: 1,
  sweep: [workloadOf(0.5), workloadOf(1)],
});

describe("the page", () => {
  const page = writePage(comparison, { title: `<b>"Hive" & co`, about: "x", ours: "predicted_latency" });

  it("loads nothing and runs nothing", () => {
    expect(page).not.toMatch(/<script|<link|<img|url\(|@import|https?:/);
  });

  it("draws each policy in the distribution and in the sweep, and lists it in legend and table", () => {
    expect(page.match(/<polyline/g)).toHaveLength(2 * POLICIES.length);
    for (const name of POLICIES) {
      expect(page.match(new RegExp(`<title>${name}</title>`, "g"))).toHaveLength(2);
      expect(page).toContain(`</svg>${name}</li>`);
      expect(page).toContain(`<th>${name}</th>`);
    }
    expect(page).toContain('class="line ours"');
    expect(page).toContain('class="line bound"');
  });

  it("draws numbers only", () => {
    expect(page).not.toMatch(/NaN|Infinity|undefined/);
  });

  it("writes text as text", () => {
    expect(page).toContain("<h1>&lt;b&gt;&quot;Hive&quot; &amp; co</h1>");
  });

  it("has no sweep where there is none", () => {
    const without = writePage({ ...comparison, sweep: [] }, { title: "t", about: "a", ours: "predicted_latency" });
    expect(without.match(/<polyline/g)).toHaveLength(POLICIES.length);
  });

  it("ends every distribution at all of the requests", () => {
    for (const { ttftMs } of comparison.results) expect(ttftMs).toHaveLength(comparison.requests);
  });
});

describe("axes", () => {
  it("places powers of ten at equal distances", () => {
    const axis = logAxis([0.1, 10], [0, 200]);
    expect([0.1, 1, 10].map((value) => Math.round(axis.place(value)))).toEqual([0, 100, 200]);
    expect(axis.ticks).toEqual([0.1, 0.2, 0.5, 1, 2, 5, 10]);
  });

  it("has about five round ticks from zero", () => {
    expect(linearAxis(100, [100, 0]).ticks).toEqual([0, 20, 40, 60, 80, 100]);
    expect(linearAxis(0.73, [0, 1]).ticks.map((tick) => tick.toFixed(1))).toEqual(["0.0", "0.2", "0.4", "0.6"]);
    expect(linearAxis(50, [100, 0]).place(25)).toBe(50);
  });
});
