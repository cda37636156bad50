// Tenants: one that floods must not take from the others what is theirs.
import { HOST_KINDS, MODEL_KINDS } from "../calibration.ts";
import type { HostSpec } from "../host-spec.ts";
import { jainIndex, spreadOf } from "../metrics.ts";
import { observe } from "../run.ts";
import { mean } from "../suite.ts";
import { merge } from "../scenarios.ts";
import type { WorkItem } from "../traces.ts";
import { generateWorkload } from "../workload.ts";
import { seconds } from "./trial.ts";
import type { Trial, TrialSetting } from "./trial.ts";

const MODEL = MODEL_KINDS["llama3:8b"];
const PROMPTS = { type: "chat", promptTokens: 1_155, outputTokens: 211 } as const;
const HOSTS = 6;
const TENANTS = ["flood", "one", "two"] as const;
const POLITE = ["one", "two"] as const;
/** What a host with two slots can serve of these requests; measured, requests per second. */
const HOST_CAPACITY = 0.72;
const SHARE = (HOSTS * HOST_CAPACITY) / TENANTS.length;
const FLOOD = 4 * SHARE;
const DURATION_MS = 600_000;
const WARM_MS = 60_000;
const MOST_RATIO = 1.5;
const LEAST_JAIN = 0.95;

/** Two tenants with 60 % of a fair share each, while a third floods: against each alone on a third of the hosts. */
export function politeBesideFlood(setting: TrialSetting): Trial {
  const demand = (tenant: string): number => (tenant === "flood" ? FLOOD : 0.6 * SHARE);
  const beside: number[] = [];
  const alone: number[] = [];
  for (const seed of setting.seeds) {
    beside.push(
      ...ttftOf(
        setting,
        TENANTS.map((tenant) => ask(tenant, demand(tenant), seed)),
        HOSTS,
        seed,
      ),
    );
    for (const tenant of POLITE) {
      alone.push(...ttftOf(setting, [ask(tenant, demand(tenant), seed)], HOSTS / TENANTS.length, seed));
    }
  }
  const [with_, without] = [spreadOf(beside), spreadOf(alone)];
  const ratio = with_.p95 / without.p95;
  return {
    title: "two tenants at 60 % of their share beside one that asks for four shares (six equal hosts)",
    rows: [
      ["the two", "ttft mean", "ttft p95"],
      ["beside the flood", seconds(with_.mean), seconds(with_.p95)],
      ["each alone on a third", seconds(without.mean), seconds(without.p95)],
    ],
    checks: [
      {
        id: "fairness ttft p95",
        text: `${ratio.toFixed(2)} × their p95 alone on a fair share (at most ${MOST_RATIO})`,
        met: ratio <= MOST_RATIO,
      },
    ],
  };
}

/** All three ask for more than their share, one for four: GPU-seconds while that lasts. */
export function allAskTooMuch(setting: TrialSetting): Trial {
  const demand = (tenant: string): number => (tenant === "flood" ? FLOOD : 1.3 * SHARE);
  const rows: string[][] = [["seed", ...TENANTS, "Jain"]];
  const indices = setting.seeds.map((seed) => {
    const workload = merge(...TENANTS.map((tenant) => ask(tenant, demand(tenant), seed)));
    const { observations } = observe({ ...base(HOSTS), workload, router: setting.router, seed });
    const during = observations.filter((one) => one.at + one.completionMs < DURATION_MS);
    const shares = TENANTS.map((tenant) => {
      return during.filter((one) => one.tenant === tenant).reduce((sum, { gpuSeconds }) => sum + gpuSeconds, 0);
    });
    const jain = jainIndex(shares);
    rows.push([String(seed), ...shares.map((share) => share.toFixed(0)), jain.toFixed(3)]);
    return jain;
  });
  const jain = mean(indices);
  return {
    title: "three tenants that all ask for more than their share, one of them for four (GPU-seconds served)",
    rows,
    checks: [
      {
        id: "fairness Jain",
        text: `Jain's index ${jain.toFixed(3)} (at least ${LEAST_JAIN})`,
        met: jain >= LEAST_JAIN,
      },
    ],
  };
}

function ask(tenant: string, requestsPerSecond: number, seed: number): WorkItem[] {
  // Each tenant has chances of its own, so that it asks for the same alone and beside others.
  const own = seed * 10 + TENANTS.findIndex((name) => name === tenant);
  const spec = { seed: own, durationMs: DURATION_MS, requestsPerSecond, models: [MODEL.name], prompts: PROMPTS };
  return generateWorkload({ ...spec, tenants: [tenant] }).map((item) => {
    const blocks = item.prompt.blocks.map((block) => block * 100 + own);
    return { ...item, session: `${tenant} ${item.session}`, prompt: { ...item.prompt, blocks } };
  });
}

function ttftOf({ router }: TrialSetting, workloads: readonly WorkItem[][], hosts: number, seed: number): number[] {
  const { observations } = observe({ ...base(hosts), workload: merge(...workloads), router, seed });
  const polite = observations.filter(({ tenant, at }) => tenant !== "flood" && at > WARM_MS);
  return polite.map(({ ttftMs }) => ttftMs);
}

function base(hosts: number): { readonly fleet: readonly HostSpec[] } {
  const fleet = Array.from({ length: hosts }, (_, index) => {
    return { id: `host-${index}`, kind: HOST_KINDS.rtx3090, parallel: 2, models: [MODEL], contextLength: 8_192 };
  });
  return { fleet };
}
