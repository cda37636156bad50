// The parts of what is known of speeds, each by itself.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  aloneSpeed,
  decodeSpeeds,
  learnDecode,
  newDecodeTable,
  speedInBatch,
} from "../../../src/core/speed/decode-table.ts";
import { cachedTokensOf, decodeDepthFactor, prefillWork } from "../../../src/core/speed/depth.ts";
import { averageLevel, newMeter, setLevel } from "../../../src/core/speed/meter.ts";
import { expectLength, learnLength, newOutputLengths, shapeOf } from "../../../src/core/speed/output-length.ts";
import { hasWaited, learnSlots, newSlotsInferred, probeSlots } from "../../../src/core/speed/slots.ts";
import { aRequest } from "../builders.ts";

describe("work at depth", () => {
  it("adds up: reading in two parts is as much as reading at once", () => {
    expect(prefillWork(1_000, 0) + prefillWork(3_000, 1_000)).toBeCloseTo(prefillWork(4_000, 0), 6);
    expect(prefillWork(32_768, 0) / 32_768).toBeCloseTo(2, 6);
    expect(decodeDepthFactor(49_152)).toBe(2);
  });

  it("tells from the work which part of a prompt was cached", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (tokens, share) => {
        const cached = tokens * share;
        expect(cachedTokensOf(tokens, prefillWork(tokens - cached, cached))).toBeCloseTo(cached, 3);
      }),
      { seed: 1 },
    );
  });
});

describe("a meter", () => {
  it("averages a level over any stretch of the past", () => {
    const meter = newMeter(0);
    setLevel(meter, 2, 100);
    setLevel(meter, 4, 200);
    expect(averageLevel(meter, 0, 200)).toBe(1);
    expect(averageLevel(meter, 100, 300)).toBe(3);
    expect(averageLevel(meter, 250, 300)).toBe(4);
  });

  it("forgets the oldest changes, not the last hundred", () => {
    const meter = newMeter(0);
    for (let index = 1; index <= 1_000; index += 1) setLevel(meter, index % 2, index);
    expect(meter.changes.length).toBeLessThan(3 * 260);
    expect(averageLevel(meter, 900, 1_000)).toBeCloseTo(0.5, 6);
  });
});

describe("a decode table", () => {
  const gain = () => ({ value: 1, samples: 0 });

  it("answers what was seen, and the measured curve around it", () => {
    const [table, own] = [newDecodeTable(), gain()];
    learnDecode(table, own, { batch: 2, rate: 90, trust: 1 });
    expect(aloneSpeed(table, own)).toBeCloseTo((90 * 2) / 1.79, 6);
    const speeds = decodeSpeeds(table, own, aloneSpeed(table, own) ?? 0);
    expect(speedInBatch(speeds, 2)).toBe(90);
    expect(speedInBatch(speeds, 4)).toBeLessThan(90);
  });

  it("learns that a host gains nothing from batches, and expects none at sizes it has not seen", () => {
    const [table, own] = [newDecodeTable(), gain()];
    for (let index = 0; index < 3; index += 1) {
      learnDecode(table, own, { batch: 1, rate: 100, trust: 1 });
      learnDecode(table, own, { batch: 2, rate: 50, trust: 1 });
    }
    expect(own.value).toBe(0);
    expect(speedInBatch(decodeSpeeds(table, own, 100), 4)).toBeCloseTo(25, 6);
  });

  it("never rises with the size of the batch, whatever was seen", () => {
    const seen = fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.double({ min: 0.1, max: 500, noNaN: true })));
    fc.assert(
      fc.property(seen, (samples) => {
        const [table, own] = [newDecodeTable(), gain()];
        for (const [batch, speed] of samples) learnDecode(table, own, { batch, rate: speed, trust: 1 });
        const speeds = decodeSpeeds(table, own, aloneSpeed(table, own) ?? 10);
        for (let batch = 1; batch < 50; batch += 1) {
          expect(speedInBatch(speeds, batch + 1)).toBeLessThanOrEqual(speedInBatch(speeds, batch));
          expect(speedInBatch(speeds, batch)).toBeGreaterThan(0);
        }
      }),
      { seed: 2 },
    );
  });
});

describe("output lengths", () => {
  it("lean on the model's mean while a shape is new, and on its own later", () => {
    const lengths = newOutputLengths();
    for (let index = 0; index < 50; index += 1) learnLength(lengths, "long", 1_000);
    expect(expectLength(lengths, "short", undefined)).toBeGreaterThan(900);
    for (let index = 0; index < 50; index += 1) learnLength(lengths, "short", 10);
    expect(expectLength(lengths, "short", undefined)).toBeLessThan(100);
    expect(expectLength(lengths, "long", undefined)).toBeGreaterThan(800);
    expect(expectLength(lengths, "long", 64)).toBe(64);
    expect(expectLength(lengths, "long", -1)).toBeGreaterThan(800);
  });

  it("tell apart requests of different tenants, kinds and sizes, not of like sizes", () => {
    const shape = (part: Parameters<typeof aRequest>[1]) => shapeOf(aRequest("r", part));
    expect(shape({ promptBytes: 1_000 })).toBe(shape({ promptBytes: 1_200 }));
    expect(shape({ promptBytes: 1_000 })).not.toBe(shape({ promptBytes: 100_000 }));
    expect(shape({ kind: "generate" })).not.toBe(shape({}));
    expect(shape({ needs: ["tools"] })).not.toBe(shape({}));
  });
});

describe("slots inferred", () => {
  it("fall by one when three of five requests waited that should have had a slot, and are tried again later", () => {
    const slots = newSlotsInferred();
    for (const waited of [true, false, true, false]) learnSlots(slots, waited, 4, 0);
    expect(slots.limit).toBe(Infinity);
    learnSlots(slots, true, 4, 0);
    expect(slots.limit).toBe(3);
    probeSlots(slots, 119_999);
    expect(slots.limit).toBe(3);
    probeSlots(slots, 120_000);
    expect(slots.limit).toBe(4);
  });

  it("are not touched by what handling a request takes", () => {
    expect(hasWaited(10_000, 9_500)).toBe(false);
    expect(hasWaited(10_000, 5_000)).toBe(true);
  });
});
