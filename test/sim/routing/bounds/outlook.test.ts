// Running a runner's model ahead tells what it then does.
import { describe, expect, it } from "vitest";
import { forecast } from "../../../../src/sim/routing/bounds/outlook.ts";
import { HOST_KINDS, MODEL_KINDS } from "../../../../src/sim/routing/calibration.ts";
import { SimulatedHost } from "../../../../src/sim/routing/host-model.ts";
import { taskOf } from "../../../../src/sim/routing/runner.ts";
import { VirtualTime } from "../../../../src/sim/routing/virtual-time.ts";

const MODEL = MODEL_KINDS["llama3:8b"];
const WARM_MS = 60_000;

function busyHost(sizes: readonly (readonly [prompt: number, output: number])[]) {
  const time = new VirtualTime();
  const host = new SimulatedHost({ id: "a", kind: HOST_KINDS.rtx3090, parallel: 2, models: [MODEL] }, time);
  const ends: { first: number; last: number }[] = [];
  let block = 0;
  const ask = ([tokens, outputTokens]: readonly [number, number]): void => {
    block += 1_000;
    const prompt = { tokens, blocks: [block], blockTokens: 512 };
    const end = { first: 0, last: 0 };
    ends.push(end);
    host.submit(
      { model: MODEL.name, prompt, outputTokens, numCtx: 8_192 },
      {
        firstToken: (now) => (end.first = now),
        served: ({ finishedAt }) => (end.last = finishedAt),
      },
    );
  };
  ask([1, 1]);
  time.runUntil(WARM_MS);
  ends.length = 0;
  for (const size of sizes) ask(size);
  time.runUntil(WARM_MS + 300);
  const outlook = host.runnerOf(MODEL.name)?.outlook();
  if (outlook === undefined) throw new Error("not loaded");
  return { time, ends, ask, outlook };
}

describe("the outlook of a runner", () => {
  it("foresees the ends of what it runs", () => {
    const { time, ends, outlook } = busyHost([
      [2_000, 100],
      [500, 300],
    ]);
    const { othersFinishedMs, finishedMs } = forecast(outlook, 1);
    time.runUntil(10 * WARM_MS);
    expect(othersFinishedMs).toBeCloseTo(
      ends.reduce((sum, { last }) => sum + last - WARM_MS - 300, 0),
      3,
    );
    expect(finishedMs).toBe(Infinity);
  });

  it.each([
    [[[2_000, 100]]],
    [
      [
        [2_000, 100],
        [500, 300],
      ],
    ],
  ] as const)("foresees a newcomer beside or behind %j, and what it costs the others", (sizes) => {
    const { time, ends, ask, outlook } = busyHost(sizes);
    const size = { promptTokens: 1_500, cachedTokens: 0, outputTokens: 80 };
    // The slot that was used before is the one that is free, and read first.
    const task = taskOf(size, { slot: -1, numCtx: 8_192, extra: 0 });
    const foreseen = forecast(outlook, 1, [task]);
    ask([1_500, 80]);
    time.runUntil(10 * WARM_MS);
    const mine = ends.at(-1);
    // Apart from the time a state takes to its slot from host memory.
    expect(Math.abs(foreseen.firstTokenMs - ((mine?.first ?? 0) - WARM_MS - 300))).toBeLessThan(60);
    expect(Math.abs(foreseen.finishedMs - ((mine?.last ?? 0) - WARM_MS - 300))).toBeLessThan(80);
    const others = ends.slice(0, -1).reduce((sum, { last }) => sum + last - WARM_MS - 300, 0);
    expect(Math.abs(foreseen.othersFinishedMs - others)).toBeLessThan(100);
  });
});
