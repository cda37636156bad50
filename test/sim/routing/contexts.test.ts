// Clients that ask for different contexts: they settle on different hosts instead of making each reload in turn.
import { describe, expect, it } from "vitest";
import { HOST_KINDS, MODEL_KINDS } from "../../../src/sim/routing/calibration.ts";
import { hive } from "../../../src/sim/routing/hive-router.ts";
import { simulate } from "../../../src/sim/routing/run.ts";
import { generateWorkload } from "../../../src/sim/routing/workload.ts";

const model = MODEL_KINDS["llama3:8b"];
const fleet = ["a", "b", "c"].map((id) => ({ id, kind: HOST_KINDS.rtx3090, parallel: 2, models: [model] }));
const CONTEXTS = [4_096, 16_384];
const workload = generateWorkload({
  seed: 3,
  durationMs: 20 * 60_000,
  requestsPerSecond: 0.5,
  models: [model.name],
  prompts: { type: "chat", promptTokens: 800, outputTokens: 150 },
}).map((item, index) => ({ ...item, numCtx: CONTEXTS[index % CONTEXTS.length] }));

describe("clients with different contexts", () => {
  it("never make hosts reload in turn under predicted_latency", () => {
    const hours = (workload.at(-1)?.at ?? 0) / 3_600_000;
    const ours = simulate({ workload, fleet, router: hive("predicted_latency"), seed: 1 });
    const others = simulate({ workload, fleet, router: hive("least_connections"), seed: 1 });
    expect(ours.unfinished).toBe(0);
    // One load for each host, and a few while the fleet finds out.
    expect(ours.loadsPerHour * hours).toBeLessThanOrEqual(9);
    expect(others.loadsPerHour * hours).toBeGreaterThan(60);
    expect(ours.ttftMs.mean).toBeLessThan(others.ttftMs.mean / 3);
  });
});
