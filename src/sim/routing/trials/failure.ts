// Hosts that die and join: nothing is lost before its first token, and the rest is soon as if nothing had been.
import type { Observation } from "../metrics.ts";
import { spreadOf } from "../metrics.ts";
import { observe } from "../run.ts";
import type { Fault, Result } from "../run.ts";
import { SCENARIOS } from "../scenarios.ts";
import { seconds } from "./trial.ts";
import type { Trial, TrialSetting } from "./trial.ts";

/** Where it happens, ms: several times, for one window has few requests. */
const INSTANTS = [900_000, 1_500_000, 2_100_000];
const SETTLING_MS = 10_000;
const WINDOW_MS = 300_000;
const HOST = "rtx3090-2";
const MOST_RATIO = 1.1;

interface Window {
  readonly ttftMs: number[];
  refused: number;
  broken: number;
}

/** One host of nine is killed: against a fleet that never had it, from ten seconds on. */
export function killOne(setting: TrialSetting): Trial {
  const killed = gather(setting, (at) => ({ faults: [{ at, hostId: HOST, type: "crash" }], without: false }));
  const never = gather(setting, () => ({ faults: [], without: true }));
  const [after, steady] = [spreadOf(killed.ttftMs).p95, spreadOf(never.ttftMs).p95];
  const ratio = after / steady;
  return {
    title: `one host of nine killed (scenario A, ${HOST}), requests from 10 s to 310 s after`,
    rows: [
      ["fleet", "ttft p95", "refused", "broken off"],
      ["killed", seconds(after), String(killed.refused), String(killed.broken)],
      ["never had it", seconds(steady), String(never.refused), ""],
    ],
    checks: [
      {
        id: "fault lost before first token",
        text: `${killed.refused} requests lost before their first token (none)`,
        met: killed.refused === 0,
      },
      {
        id: "fault ttft p95",
        text: `${ratio.toFixed(2)} × the p95 of a fleet that never had the host (at most ${MOST_RATIO})`,
        met: ratio <= MOST_RATIO,
      },
    ],
  };
}

/** A ninth host joins eight: against a fleet that always had it. */
export function joinOne(setting: TrialSetting): Trial {
  const joined = gather(setting, (at) => ({ faults: [{ at, hostId: HOST, type: "start" }], without: false }));
  const always = gather(setting, () => ({ faults: [], without: false }));
  const [after, steady] = [spreadOf(joined.ttftMs), spreadOf(always.ttftMs)];
  const ratio = after.mean / steady.mean;
  return {
    title: `a ninth host joins (scenario A, ${HOST}), requests from 10 s to 310 s after`,
    rows: [
      ["fleet", "ttft mean", "ttft p95"],
      ["joined", seconds(after.mean), seconds(after.p95)],
      ["always had it", seconds(steady.mean), seconds(steady.p95)],
    ],
    checks: [
      {
        id: "join ttft mean",
        text: `${ratio.toFixed(2)} × the mean of a fleet that always had the host (at most ${MOST_RATIO})`,
        met: ratio <= MOST_RATIO,
      },
    ],
  };
}

function gather(
  { traces, seeds, router }: TrialSetting,
  change: (at: number) => { readonly faults: readonly Fault[]; readonly without: boolean },
): Window {
  const window: Window = { ttftMs: [], refused: 0, broken: 0 };
  const { fleet, workload } = SCENARIOS.A;
  for (const seed of seeds) {
    for (const at of INSTANTS) {
      const { faults, without } = change(at);
      const until = at + SETTLING_MS + WINDOW_MS;
      const items = workload(traces, seed).filter((item) => item.at < until);
      const hosts = without ? fleet.filter(({ id }) => id !== HOST) : fleet;
      add(window, observe({ workload: items, fleet: hosts, router, seed, faults }), at + SETTLING_MS);
    }
  }
  return window;
}

function add(window: Window, { metrics, observations }: Result, from: number): void {
  const inside = ({ at }: Observation): boolean => at >= from;
  window.ttftMs.push(...observations.filter(inside).map(({ ttftMs }) => ttftMs));
  window.refused += Object.values(metrics.refused).reduce((sum, count) => sum + count, metrics.unfinished);
  window.broken += metrics.broken;
}
