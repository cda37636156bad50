// The 45 conformance cases of a drop-in Ollama, on one fleet. HIVE_TEST_OLLAMA=http://… holds a real Ollama to those it can show.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ConformanceCase } from "./case.ts";
import { bodyCases } from "./cases/bodies.ts";
import { credentialCases } from "./cases/credentials.ts";
import { lastCases, leavingCases, refusingCases } from "./cases/leaving.ts";
import { modelCases } from "./cases/models.ts";
import { refusalCases } from "./cases/refusals.ts";
import { dyingCases, streamCases } from "./cases/streams.ts";
import { uploadCases } from "./cases/uploads.ts";
import { REAL_OLLAMA, startWorld } from "./world.ts";
import type { World } from "./world.ts";

const CASES = 45;
const cases: readonly ConformanceCase[] = [
  ...refusalCases,
  ...credentialCases,
  ...bodyCases,
  ...uploadCases,
  ...modelCases,
  ...streamCases,
  ...leavingCases,
  ...refusingCases,
  ...dyingCases,
  ...lastCases,
];
let world: World;

beforeAll(async () => {
  world = await startWorld();
}, 60_000);
afterAll(async () => await world.close());

it("has a test for each of the 45 cases", () => {
  const numbers = new Set(cases.map(({ number }) => number));
  expect([...numbers].toSorted((a, b) => a - b)).toEqual(Array.from({ length: CASES }, (_, index) => index + 1));
});

describe("a drop-in Ollama", () => {
  for (const { number, title, simulated, check } of cases) {
    it.skipIf(simulated && REAL_OLLAMA !== undefined)(`case ${String(number).padStart(2, "0")}: ${title}`, async () => {
      await check(world);
    });
  }
});
