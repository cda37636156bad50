// The calibration answers what was measured (routing.md §4).
import { describe, expect, it } from "vitest";
import {
  batchingSpeedUp,
  decodeRate,
  decodeWork,
  defaultContext,
  DISCRETE_GPU_CURVE,
  FLAT_CURVE,
  HOST_KINDS,
  loadMs,
  MODEL_KINDS,
  prefillRate,
  prefillWork,
  runnerBytes,
} from "../../../src/sim/routing/calibration.ts";

describe("calibration (§4)", () => {
  it("has the 1.5-1.7 k tok/s of an RTX 3090 at 32 k between its rate at that depth and its mean rate up to it", () => {
    const rate = prefillRate(HOST_KINDS.rtx3090, MODEL_KINDS["llama3:8b"]);
    expect(rate / prefillWork(1, 32_768)).toBeLessThan(1_500);
    expect((rate * 32_768) / prefillWork(32_768, 0)).toBeGreaterThan(1_700);
  });

  it("slows decoding by a depth of 32 k as an RTX 4090 does, within 15 %", () => {
    const measured = 100 / 150;
    expect(Math.abs(1 / decodeWork(1, 32_768) / measured - 1)).toBeLessThan(0.15);
  });

  it("counts work so that parts add up to the whole", () => {
    expect(prefillWork(100, 0) + prefillWork(200, 100)).toBeCloseTo(prefillWork(300, 0));
  });

  it("lets four slots run at 75 % each, eight at 46 %, and Apple's not gain at all", () => {
    expect(batchingSpeedUp(DISCRETE_GPU_CURVE, 4) / 4).toBeCloseTo(0.75, 1);
    expect(batchingSpeedUp(DISCRETE_GPU_CURVE, 8) / 8).toBeCloseTo(0.46, 2);
    expect(batchingSpeedUp(FLAT_CURVE, 4)).toBe(1);
  });

  it("decodes 70B at a rate within a factor of two of the measured one", () => {
    const ratio = decodeRate(HOST_KINDS.h100, MODEL_KINDS["llama3:70b"]) / 25;
    expect(ratio).toBeGreaterThan(0.5);
    expect(ratio).toBeLessThan(2);
  });

  it("gives hosts Ollama's default context for their memory (§1.1)", () => {
    const contexts = [HOST_KINDS.rtx4080, HOST_KINDS.rtx3090, HOST_KINDS.h100].map(defaultContext);
    expect(contexts).toEqual([4_096, 32_768, 262_144]);
  });

  it("counts weights, context of every slot and half a GiB as a runner's memory", () => {
    const kv = 2 * 8_192 * 128 * 1024;
    expect(runnerBytes(MODEL_KINDS["llama3:8b"], 2, 8_192)).toBe(4.9e9 + kv + 2 ** 29);
  });

  it("loads in less than half the reading time from the page cache", () => {
    const [cold, warm] = [false, true].map((cached) => loadMs(HOST_KINDS.rtx3090, MODEL_KINDS["llama3:8b"], cached));
    expect(cold).toBeCloseTo(4.9e9 / 2.5e6 + 800);
    expect((warm ?? 0) - 800).toBeLessThan(((cold ?? 0) - 800) / 2);
  });
});
