// The benchmark's fleets can be run as they are.
import { expect, it } from "vitest";
import { MODEL_KINDS } from "../../../src/sim/routing/calibration.ts";
import { buildFleet, FLEETS } from "../../../src/sim/routing/fleets.ts";
import { hive } from "../../../src/sim/routing/hive-router.ts";
import { simulate } from "../../../src/sim/routing/run.ts";
import { generateWorkload } from "../../../src/sim/routing/workload.ts";
import { hostIdSchema } from "../../../src/wire/host.ts";

it("gives each host of the mixed fleet a valid id of its own, and all of them work (§6.1)", () => {
  const model = MODEL_KINDS["llama3:8b"];
  const fleet = buildFleet("hetero9", 2, [model]);
  expect(fleet).toHaveLength(9);
  expect(fleet.every(({ id }) => hostIdSchema.safeParse(id).success)).toBe(true);
  const prompts = { type: "chat", promptTokens: 500, outputTokens: 50 } as const;
  const arrivals = { seed: 1, durationMs: 60_000, requestsPerSecond: 2, models: [model.name] };
  const workload = generateWorkload({ ...arrivals, prompts });
  const { servedByHost } = simulate({ workload, fleet, router: hive("round_robin"), seed: 1, numCtx: 4_096 });
  expect(Object.keys(servedByHost).sort()).toEqual(fleet.map(({ id }) => id).sort());
  expect(FLEETS.homogeneous8).toHaveLength(8);
});
