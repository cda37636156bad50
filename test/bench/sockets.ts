// The simulator against real sockets: the same workload through `hive serve`, agents and simulated Ollamas, and in virtual time.
import { MODEL_KINDS, FLAT_CURVE } from "../../src/sim/routing/calibration.ts";
import type { HostKind, ModelKind } from "../../src/sim/routing/calibration.ts";
import { hive } from "../../src/sim/routing/hive-router.ts";
import type { HostSpec } from "../../src/sim/routing/host-spec.ts";
import { drawExponential, forkRandom } from "../../src/sim/routing/random.ts";
import { alignColumns } from "../../src/sim/routing/report.ts";
import { observe } from "../../src/sim/routing/run.ts";
import { mean } from "../../src/sim/routing/suite.ts";
import type { WorkItem } from "../../src/sim/routing/traces.ts";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import type { PolicyName } from "../../src/wire/settings.ts";
import type { Check } from "../../src/sim/routing/targets.ts";
import { startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

const POLICIES = ["predicted_latency", "least_connections", "round_robin"] as const satisfies readonly PolicyName[];
/** Tokens per second of the small model; the large one takes twice as long. */
const HOSTS = [
  { id: "fast", prefill: 5_000, decode: 250 },
  { id: "middle", prefill: 2_500, decode: 125 },
  { id: "slow", prefill: 1_250, decode: 62.5 },
] as const;
const LOAD_MS = 800;
const SESSIONS_PER_SECOND = 0.85;
const TURNS = 3;
const PAUSE_MS = 4_000;
const DURATION_MS = 60_000;
const BLOCK_TOKENS = 512;
const BYTES_PER_TOKEN = 4;
const HEARTBEAT_MS = 500;
const SEED = 7;
/** How far a ratio between two policies may be from the simulator's. */
const MOST_DEVIATION = 0.15;
const LEAST_DIFFERENCE = 0.05;

const SMALL: ModelKind = { ...MODEL_KINDS["llama3:8b"], name: "small:latest" };
const LARGE: ModelKind = {
  ...SMALL,
  name: "large:latest",
  parameters: SMALL.parameters * 2,
  weightBytes: SMALL.weightBytes * 2,
};

interface Times {
  readonly ttftMs: number;
  readonly doneMs: number;
}

/** Runs both worlds and prints them side by side; all policies at once, for their hosts sleep most of the time. */
export async function compareSockets(): Promise<{ readonly text: string; readonly checks: readonly Check[] }> {
  const workload = makeWorkload();
  const real = await Promise.all(POLICIES.map(async (policy) => await runReal(policy, workload)));
  const simulated = POLICIES.map((policy) => runSimulated(policy, workload));
  const rows = POLICIES.map((policy, index) => {
    const [sockets, virtual] = [real[index] ?? NONE, simulated[index] ?? NONE];
    const parts = [sockets.ttftMs, virtual.ttftMs, sockets.doneMs, virtual.doneMs].map((ms) => (ms / 1000).toFixed(2));
    return [policy, ...parts, (sockets.doneMs / virtual.doneMs).toFixed(2)];
  });
  const heads = ["policy", "ttft sockets", "simulated", "done sockets", "simulated", "sockets/simulated"];
  const title = `${workload.length} requests, two models, three hosts of speeds 4:2:1, N = 1; mean seconds`;
  return { text: `${title}\n${alignColumns([heads, ...rows])}`, checks: check(real, simulated) };
}

const NONE: Times = { ttftMs: Number.NaN, doneMs: Number.NaN };

/** Sessions of three requests, each with all that was asked before. */
function makeWorkload(): WorkItem[] {
  const random = forkRandom(SEED, "sockets");
  const items: WorkItem[] = [];
  let session = 0;
  for (let start = 2_000; start < DURATION_MS; start += drawExponential(random, 1000 / SESSIONS_PER_SECOND)) {
    session += 1;
    const model = random() < 0.3 ? LARGE.name : SMALL.name;
    let at = start;
    for (let turn = 0; turn < TURNS && at < DURATION_MS; turn += 1) {
      const tokens = (1 + turn) * BLOCK_TOKENS;
      const blocks = Array.from({ length: 1 + turn }, (_, block) => session * 10 + block);
      const outputTokens = 20 + Math.floor(random() * 60);
      const prompt = { tokens, blocks, blockTokens: BLOCK_TOKENS };
      items.push({ at, session: `s${session}`, tenant: "t", model, prompt, outputTokens, numPredict: outputTokens });
      at += 1_000 + drawExponential(random, PAUSE_MS);
    }
  }
  return items.sort((a, b) => a.at - b.at);
}

function runSimulated(policy: PolicyName, workload: readonly WorkItem[]): Times {
  const fleet = HOSTS.map(({ id, prefill, decode }): HostSpec => {
    const kind: HostKind = {
      name: id,
      prefillPerSecond: prefill,
      decodePerSecond: decode,
      memoryBytes: 2 ** 40,
      gpus: 1,
      discrete: false,
      batching: FLAT_CURVE,
      diskBytesPerSecond: Infinity,
      pageCacheBytes: 0,
    };
    return { id, kind, parallel: 1, slots: 1, models: [SMALL, LARGE] };
  });
  const router = hive(policy);
  const { observations } = observe({
    workload,
    fleet,
    router,
    seed: 1,
    numCtx: 8_192,
    heartbeatIntervalMs: HEARTBEAT_MS,
  });
  return {
    ttftMs: mean(observations.map(({ ttftMs }) => ttftMs)),
    doneMs: mean(observations.map(({ completionMs }) => completionMs)),
  };
}

async function runReal(policy: PolicyName, workload: readonly WorkItem[]): Promise<Times> {
  const fleet = await startFleet({ LOAD_BALANCING_STRATEGY: policy, QUEUE_TIMEOUT: "120s" });
  try {
    for (const { id, prefill, decode } of HOSTS) {
      const models = [SMALL, LARGE].map((model, index) => {
        const speed = 1 / (1 + index);
        const rates = { prefillTokensPerSecond: prefill * speed, decodeTokensPerSecond: decode * speed };
        return simulatedModel({
          name: model.name,
          sizeBytes: model.weightBytes,
          loadMs: LOAD_MS,
          answerTokens: 1_000,
          ...rates,
        });
      });
      await fleet.addHost(id, { models, slots: 1, keepRequests: 0 }, 1);
    }
    const startedAt = performance.now();
    const times = await Promise.all(workload.map(async (item) => await ask(fleet, item, startedAt)));
    return { ttftMs: mean(times.map(({ ttftMs }) => ttftMs)), doneMs: mean(times.map(({ doneMs }) => doneMs)) };
  } finally {
    await fleet.close();
  }
}

async function ask({ url, token }: TestFleet, item: WorkItem, startedAt: number): Promise<Times> {
  await new Promise((resolve) => {
    setTimeout(resolve, startedAt + item.at - performance.now());
  });
  const askedAt = performance.now();
  const response = await fetch(`${url}/api/chat`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({
      model: item.model,
      messages: [{ role: "user", content: textOf(item) }],
      options: { num_predict: item.outputTokens, num_ctx: 8_192 },
    }),
  });
  if (response.status !== 200 || response.body === null) throw new Error(`${response.status} ${await response.text()}`);
  let firstAt: number | undefined;
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body) {
    firstAt ??= performance.now();
    text += decoder.decode(chunk, { stream: true });
  }
  if (!text.includes('"done":true')) throw new Error("an answer broke off");
  return { ttftMs: (firstAt ?? 0) - askedAt, doneMs: performance.now() - askedAt };
}

/** A text with as many bytes as its tokens stand for, in which each block is its own. */
function textOf({ prompt, model }: WorkItem): string {
  return prompt.blocks
    .map((block) => `${model} block ${block} `.padEnd(BLOCK_TOKENS * BYTES_PER_TOKEN, ` ${block} honey`))
    .join("");
}

function check(real: readonly Times[], simulated: readonly Times[]): Check[] {
  const checks: Check[] = [];
  for (const [index, policy] of POLICIES.entries()) {
    for (const other of POLICIES.slice(index + 1)) {
      const at = POLICIES.indexOf(other);
      const ratioOf = (times: readonly Times[]): number => (times[index]?.doneMs ?? 0) / (times[at]?.doneMs ?? 1);
      const [sockets, virtual] = [ratioOf(real), ratioOf(simulated)];
      const tied = Math.abs(virtual - 1) < LEAST_DIFFERENCE;
      const deviation = Math.abs(sockets / virtual - 1);
      const text = `completion ${sockets.toFixed(2)} × on sockets, ${virtual.toFixed(2)} × simulated (same order, within ${100 * MOST_DEVIATION} %)`;
      const met = deviation <= MOST_DEVIATION && (tied || sockets < 1 === virtual < 1);
      checks.push({ id: `sockets ${policy} to ${other}`, text, met });
    }
  }
  return checks;
}
