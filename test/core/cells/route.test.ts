// From cell to cell: whom a request asks first, when it goes on, and when it stops.
import { describe, expect, it } from "vitest";
import { isElsewhere, mostTelling, nextStep } from "../../../src/core/cells/route.ts";
import type { Asked, Journey, Step } from "../../../src/core/cells/route.ts";
import type { CellSummary } from "../../../src/wire/cell-summary.ts";
import { ONE_CELL } from "../../../src/wire/cells.ts";
import type { ErrorCode } from "../../../src/wire/errors.ts";
import { aSite, aSummary, M, room } from "./builders.ts";

const [near, next, far, farthest] = [aSite("weur"), aSite("eeur"), aSite("enam"), aSite("oc")];
const all = [near, next, far, farthest];

function journey(known: readonly (CellSummary | undefined)[], part: Partial<Journey> = {}): Journey {
  const entries = known.flatMap((summary, index) => {
    const site = all[index];
    return summary === undefined || site === undefined ? [] : [[site.name, summary] as const];
  });
  return {
    sites: all.slice(0, known.length),
    summaries: new Map(entries),
    learned: false,
    asked: [],
    model: M,
    ...part,
  };
}

function refused(site: Asked["site"], code: ErrorCode = "cell_busy"): Asked {
  return { site, refusal: { code, detail: "" } };
}

const ask = (site: Asked["site"], mayWait: boolean): Step => ({ type: "ask", site, mayWait });

describe("the journey of a request", () => {
  it("asks the only cell and lets it wait there", () => {
    const only = { ...journey([]), sites: [ONE_CELL] };
    expect(nextStep(only)).toEqual(ask(ONE_CELL, true));
    expect(nextStep({ ...only, asked: [refused(ONE_CELL, "queue_full")] })).toEqual({ type: "stop" });
  });

  it("asks the nearest cell with a free slot, which may not keep it waiting while another has one", () => {
    expect(nextStep(journey([aSummary(room(1)), aSummary(room(1))]))).toEqual(ask(near, false));
    expect(nextStep(journey([aSummary(room(0)), aSummary(room(1)), aSummary(room(1))]))).toEqual(ask(next, false));
  });

  it("may wait in the nearest cell where no other has a free slot", () => {
    expect(nextStep(journey([aSummary(room(1)), aSummary(room(0))]))).toEqual(ask(near, true));
    expect(nextStep(journey([aSummary(room(0)), aSummary(room(0))]))).toEqual(ask(near, true));
  });

  it("passes a cell that lacks the model, or has it only on hosts that are away", () => {
    expect(nextStep(journey([aSummary(), aSummary(room(1))]))).toEqual(ask(next, true));
    expect(nextStep(journey([aSummary(room(0, 0)), aSummary(room(1))]))).toEqual(ask(next, true));
    expect(nextStep(journey([aSummary(room(0, 0)), aSummary(room(0))]))).toEqual(ask(next, true));
  });

  it("goes on to the next cell with a free slot when a summary was out of date", () => {
    const known = [aSummary(room(1)), aSummary(room(1)), aSummary(room(1))];
    expect(nextStep(journey(known, { asked: [refused(near)] }))).toEqual(ask(next, false));
  });

  it("makes at most two hops, and waits at the end of the second", () => {
    const known = [aSummary(room(1)), aSummary(room(1)), aSummary(room(1)), aSummary(room(1))];
    expect(nextStep(journey(known, { asked: [refused(near), refused(next)] }))).toEqual(ask(far, true));
    expect(nextStep(journey(known, { asked: [near, next, far].map((site) => refused(site)) }))).toEqual({
      type: "stop",
    });
  });

  it("comes back to wait in the nearest cell where all that seemed free are busy", () => {
    const known = [aSummary(room(1)), aSummary(room(1))];
    expect(nextStep(journey(known, { asked: [refused(near), refused(next)] }))).toEqual(ask(near, true));
  });

  it("waits elsewhere only where the queue is shorter by a whole service", () => {
    const long = aSummary(room(0, 4, 8));
    expect(nextStep(journey([long, aSummary(room(0, 4, 5))]))).toEqual(ask(near, true));
    expect(nextStep(journey([long, aSummary(room(0, 4, 4))]))).toEqual(ask(next, true));
  });

  it("leaves a cell whose queue is full for the next, and never asks it again", () => {
    const known = [aSummary(room(0)), aSummary(room(0))];
    expect(nextStep(journey(known, { asked: [refused(near, "queue_full")] }))).toEqual(ask(next, true));
    const both = [refused(near, "queue_full"), refused(next, "queue_full")];
    expect(nextStep(journey(known, { asked: both }))).toEqual({ type: "stop" });
  });
});

describe("a journey into the unknown", () => {
  it("asks the nearest cell before anything is known, so that a fresh edge needs one call too", () => {
    expect(nextStep(journey([undefined, undefined]))).toEqual(ask(near, false));
  });

  it("learns of the others once the nearest has refused", () => {
    const blind = journey([undefined, undefined], { asked: [refused(near, "unknown_model")] });
    expect(nextStep(blind)).toEqual({ type: "learn" });
  });

  it("learns of the others where the nearest is known not to serve", () => {
    expect(nextStep(journey([aSummary(), undefined]))).toEqual({ type: "learn" });
  });

  it("does not wait for cells that cannot be reached", () => {
    const left = journey([aSummary(), undefined], { learned: true });
    expect(nextStep(left)).toEqual(ask(near, true));
    expect(nextStep({ ...left, asked: [refused(near, "unknown_model")] })).toEqual({ type: "stop" });
    expect(nextStep(journey([undefined, aSummary()], { learned: true }))).toEqual(ask(near, true));
  });

  it("waits in a cell that has just started, for its hosts may have the model", () => {
    expect(nextStep(journey([aSummary(), aSummary(undefined, { warming: true })]))).toEqual(ask(next, true));
  });

  it("asks a cell that knows the model for the reason why nobody serves it", () => {
    expect(nextStep(journey([aSummary(), aSummary(room(0, 0))]))).toEqual(ask(next, true));
    expect(nextStep(journey([aSummary(), aSummary()]))).toEqual(ask(near, true));
  });

  it("counts any host for a request without a model", () => {
    const known = [aSummary(undefined, { any: room(0, 0) }), aSummary(undefined, { any: room(2) })];
    expect(nextStep(journey(known, { model: undefined }))).toEqual(ask(next, true));
  });

  it("stops where no cell is open to the request", () => {
    expect(nextStep(journey([]))).toEqual({ type: "stop" });
  });
});

describe("what is told after several refusals", () => {
  it("is what says most about the model", () => {
    const told = (...codes: ErrorCode[]) => mostTelling(codes.map((code) => ({ code, detail: "" })))?.code;
    expect(told("cell_busy", "unknown_model", "no_host")).toBe("unknown_model");
    expect(told("unknown_model", "model_offline")).toBe("model_offline");
    expect(told("queue_full", "unknown_model")).toBe("queue_full");
    expect(told()).toBeUndefined();
  });

  it("ends the journey at once where no cell can do better", () => {
    expect(["queue_timeout", "cancelled", "tenant_limited"].map((code) => isElsewhere(code as ErrorCode))).toEqual([
      false,
      false,
      false,
    ]);
    expect(isElsewhere("unknown_model")).toBe(true);
  });
});

it("serves one model under a name: that of most hosts, in the cells that have it", () => {
  const holding = (digest: string, copies: number, free = 2) => aSummary({ ...room(free), digest, copies });
  const cells = [holding("1", 2), holding("2", 2), holding("2", 1)];
  expect(nextStep(journey(cells))).toMatchObject({ type: "ask", site: next });
  expect(nextStep(journey(cells, { asked: [refused(next)] }))).toMatchObject({ site: far });
  const full = [holding("1", 2), holding("2", 2, 0), holding("2", 1, 0)];
  expect(nextStep(journey(full))).toMatchObject({ site: next, mayWait: true });
  expect(nextStep(journey([holding("1", 1), holding("2", 1)]))).toMatchObject({ site: near });
});
