// The peers' policies: all through one contract, and each by what its description says of it.
import { describe, expect, it } from "vitest";
import { HOST_KINDS, MODEL_KINDS } from "../../../../src/sim/routing/calibration.ts";
import type { HostKindName, ModelKind } from "../../../../src/sim/routing/calibration.ts";
import type { HostSpec } from "../../../../src/sim/routing/host-spec.ts";
import { PEERS } from "../../../../src/sim/routing/peers/table.ts";
import type { PeerName } from "../../../../src/sim/routing/peers/table.ts";
import { observe } from "../../../../src/sim/routing/run.ts";
import type { WorkItem } from "../../../../src/sim/routing/traces.ts";
import type { PromptShape } from "../../../../src/sim/routing/workload.ts";
import { generateWorkload, TOOL_AGENT } from "../../../../src/sim/routing/workload.ts";

const MODEL = MODEL_KINDS["llama3:8b"];
const OTHER = MODEL_KINDS["mistral:7b"];
const NAMES = Object.keys(PEERS) as PeerName[];

function fleetOf(kinds: readonly HostKindName[], models: readonly ModelKind[] = [MODEL], parallel = 2): HostSpec[] {
  return kinds.map((kind, index) => ({ id: `${kind}-${index}`, kind: HOST_KINDS[kind], parallel, models }));
}

function run(name: PeerName, workload: readonly WorkItem[], fleet: readonly HostSpec[]) {
  return observe({ workload, fleet, router: PEERS[name].make, seed: 1, numCtx: 8_192 });
}

/** Requests one after the other, each long over before the next. */
function apart(count: number, changes: (index: number) => Partial<WorkItem> = () => ({})): WorkItem[] {
  return Array.from({ length: count }, (_, index) => {
    const prompt = { tokens: 2_048, blocks: [index * 10, index * 10 + 1, index * 10 + 2], blockTokens: 512 };
    const base = { at: 10_000 + index * 60_000, session: `s-${index}`, tenant: "t", model: MODEL.name };
    return { ...base, prompt, outputTokens: 100, ...changes(index) };
  });
}

const hostsOf = (name: PeerName, workload: readonly WorkItem[], fleet: readonly HostSpec[]): string[] =>
  run(name, workload, fleet).observations.map(({ hostId }) => hostId);

describe.each(NAMES)("%s", (name) => {
  it("serves every request once, on hosts that have the model, and the same way for the same seed", () => {
    const chat = { type: "chat", promptTokens: 800, outputTokens: 100 } as const;
    const spec = { seed: 3, durationMs: 60_000, requestsPerSecond: 2, models: [MODEL.name, OTHER.name] };
    const workload = [...generateWorkload({ ...spec, prompts: chat })];
    const fleet = [...fleetOf(["rtx3090", "rtx4090"], [MODEL, OTHER]), ...fleetOf(["m1Max"])];
    const first = run(name, workload, fleet);
    expect([first.metrics.served, first.metrics.unfinished]).toEqual([workload.length, 0]);
    expect(first.observations.filter(({ model, hostId }) => model === OTHER.name && hostId === "m1Max-0")).toEqual([]);
    expect(run(name, workload, fleet)).toEqual(first);
  });

  it("goes on without a host that dies", () => {
    const workload = generateWorkload({
      seed: 4,
      durationMs: 60_000,
      requestsPerSecond: 1,
      models: [MODEL.name],
      prompts: { type: "chat", promptTokens: 800, outputTokens: 50 },
    });
    const faults = [{ at: 20_000, hostId: "rtx3090-0", type: "crash" }] as const;
    const fleet = fleetOf(["rtx3090", "rtx3090", "rtx3090"]);
    const { metrics } = observe({ workload, fleet, router: PEERS[name].make, seed: 1, numCtx: 8_192, faults });
    expect(metrics.served + metrics.broken).toBe(workload.length);
    expect(metrics.refused).toEqual({});
  });
});

describe("what each is known for", () => {
  const ONE_HEAD = { ...TOOL_AGENT, heads: 1 } as PromptShape;
  const twins = fleetOf(["rtx3090", "rtx3090"]);

  it("round robin takes turns", () => {
    expect(hostsOf("peer:round_robin", apart(4), twins)).toEqual(["rtx3090-0", "rtx3090-1", "rtx3090-0", "rtx3090-1"]);
  });

  it("Olla's priority leaves lower tiers out while a first-tier host is up", () => {
    const hosts = hostsOf("peer:olla_priority", apart(12), fleetOf(["m1Max", "rtx3090"]));
    expect(new Set(hosts)).toEqual(new Set(["rtx3090-1"]));
  });

  it("Olla's sticky wrapper keeps a session on its host for ten minutes", () => {
    const sticky = hostsOf(
      "peer:olla_sticky",
      apart(6, () => ({ session: "one" })),
      twins,
    );
    expect(new Set(sticky).size).toBe(1);
    const forgotten = apart(4, (index) => ({ session: "one", at: 10_000 + index * 601_000 }));
    expect(new Set(hostsOf("peer:olla_sticky", forgotten, twins)).size).toBe(2);
  });

  it("HiveCore never gives a host more than it has connections for, and binds late", () => {
    const workload = apart(6, () => ({ at: 10_000 }));
    const { observations } = run("peer:hivecore_pull", workload, fleetOf(["rtx3090"]));
    expect(observations.filter(({ queuedMs }) => queuedMs === 0)).toHaveLength(2);
    expect(observations.every(({ hostId }) => hostId === "rtx3090-0")).toBe(true);
  });

  it("LiteLLM's latency strategy stays with the host that was fastest per token", () => {
    const hosts = hostsOf("peer:litellm_latency", apart(12), fleetOf(["m1Max", "rtx4090"]));
    expect(hosts.slice(4).every((id) => id === "rtx4090-1")).toBe(true);
  });

  it("LiteLLM's usage strategy turns to the host with fewer tokens this minute", () => {
    const workload = apart(4, (index) => ({ at: 60_000 + index * 12_000 }));
    const hosts = hostsOf("peer:litellm_usage", workload, twins);
    expect(hosts[1]).not.toBe(hosts[0]);
    expect(hosts[3]).not.toBe(hosts[2]);
  });

  it("ollama-herd goes where the model is in memory", () => {
    const hosts = hostsOf("peer:ollama_herd", apart(6), fleetOf(["m1Max", "rtx4090", "rtx3090"]));
    expect(new Set(hosts).size).toBe(1);
  });

  it("Peak EWMA learns which host is slow", () => {
    const hosts = hostsOf(
      "peer:peak_ewma",
      apart(8, (index) => ({ at: 10_000 + index * 9_000 })),
      fleetOf(["m1Max", "rtx4090"]),
    );
    expect(hosts.filter((id) => id === "m1Max-0").length).toBeLessThan(4);
  });

  it.each(["peer:sglang", "peer:lmetric", "peer:dynamo", "peer:llmd"] as const)(
    "%s goes where the prefix is",
    (name) => {
      const workload = apart(6, () => ({ prompt: { tokens: 1_536, blocks: [1, 2, 3], blockTokens: 512 } }));
      expect(new Set(hostsOf(name, workload, fleetOf(["rtx3090", "rtx3090", "rtx3090"]))).size).toBe(1);
    },
  );

  it("SGLang's default thresholds never fire with a few slots, and a difference of 2 does", () => {
    const shape = { seed: 5, durationMs: 30_000, requestsPerSecond: 3, models: [MODEL.name] };
    const workload = generateWorkload({ ...shape, prompts: ONE_HEAD });
    const spread = (name: PeerName): number => {
      const served = Object.values(run(name, workload, twins).metrics.servedByHost);
      return Math.max(...served) / workload.length;
    };
    expect(spread("peer:sglang")).toBeGreaterThan(0.9);
    expect(spread("peer:sglang_abs2")).toBeLessThan(0.8);
  });
});
