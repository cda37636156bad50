// Virtual time: the order of actions is the same in every run.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { VirtualTime } from "../../../src/sim/routing/virtual-time.ts";

describe("virtual time", () => {
  it("runs actions in order of their instants, and equal ones in the order they were asked for", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9 })), (instants) => {
        const time = new VirtualTime();
        const ran: { at: number; index: number }[] = [];
        for (const [index, at] of instants.entries()) time.at(at, () => ran.push({ at: time.now, index }));
        time.runUntil(10);
        const expected = instants.map((at, index) => ({ at, index })).sort((a, b) => a.at - b.at || a.index - b.index);
        expect(ran).toEqual(expected);
      }),
      { seed: 1 },
    );
  });

  it("runs what an action asks for within the same run", () => {
    const time = new VirtualTime();
    const ran: number[] = [];
    time.at(5, () => time.after(2, () => ran.push(time.now)));
    time.runUntil(7);
    expect(ran).toEqual([7]);
  });

  it("never runs a cancelled action", () => {
    const time = new VirtualTime();
    const ran: string[] = [];
    const timer = time.at(1, () => ran.push("cancelled"));
    time.at(2, () => ran.push("kept"));
    timer.cancel();
    time.runUntil(3);
    expect(ran).toEqual(["kept"]);
  });

  it("leaves what is due later and stands at the end of the run", () => {
    const time = new VirtualTime();
    const ran: number[] = [];
    time.at(8, () => ran.push(time.now));
    time.runUntil(7);
    expect([time.now, ...ran]).toEqual([7]);
    time.runUntil(8);
    expect(ran).toEqual([8]);
  });

  it("takes an instant that has passed as now", () => {
    const time = new VirtualTime();
    time.runUntil(4);
    const ran: number[] = [];
    time.at(1, () => ran.push(time.now));
    time.runUntil(4);
    expect(ran).toEqual([4]);
  });
});
