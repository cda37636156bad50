// `hive doctor` on a real chain, whole and broken at each link; and `hive fleet watch`.
import { afterAll, beforeAll, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { runHive, stateFolder } from "../cli/run-hive.ts";
import { eventually, freePort, startFleet, startHive } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

interface Finding {
  readonly check: string;
  readonly status: string;
  readonly fix?: string;
}

let fleet: TestFleet;

beforeAll(async () => {
  fleet = await startFleet();
});
afterAll(async () => await fleet.close());

async function doctor(
  env: Record<string, string> = {},
): Promise<{ code: number | null; findings: Finding[]; errors: readonly string[] }> {
  const ended = await runHive(["doctor", "--json"], { HIVE_URL: fleet.url, HIVE_STATE: fleet.stateDir, ...env });
  return { code: ended.code, findings: JSON.parse(ended.stdout) as Finding[], errors: ended.errors };
}

const statuses = (findings: readonly Finding[]): string[] => findings.map(({ check, status }) => `${check} ${status}`);

it("says how to get a first host", async () => {
  const { code, findings } = await doctor();
  expect(code).toBe(1);
  expect(statuses(findings)).toEqual(["edge ok", "clock ok", "keys ok", "operator ok", "hosts fail"]);
  expect(findings.at(-1)?.fix).toContain("hive host invite");
});

it("finds a whole chain whole, as text too, with an operator's token as with the keys", async () => {
  await fleet.addHost("gpu1", { models: [simulatedModel({ name: "llama3.2" })] });
  const { code, findings, errors } = await doctor();
  expect([code, errors]).toEqual([0, []]);
  expect(statuses(findings)).toEqual(["edge ok", "clock ok", "keys ok", "operator ok", "host gpu1 ok"]);
  const text = await runHive(["doctor", "--edge", fleet.url, "--state", "/nowhere"], { HIVE_TOKEN: fleet.adminToken });
  expect([text.stdout, text.code]).toEqual([expect.stringMatching(/^ok {4}edge: answers at/), 0]);
});

it("finds the link that is broken: no edge, other keys, no keys, an Ollama that is away, an agent that is gone", async () => {
  const nobody = `http://127.0.0.1:${await freePort()}`;
  expect(statuses((await doctor({ HIVE_URL: nobody })).findings)).toEqual(["edge fail"]);
  const other = await stateFolder();
  await runHive(["init", "--state", other]);
  expect(statuses((await doctor({ HIVE_STATE: other })).findings).slice(-2)).toEqual(["keys warn", "operator fail"]);
  expect(statuses((await doctor({ HIVE_STATE: "/nowhere" })).findings).at(-1)).toBe("keys fail");

  const [host] = fleet.hosts;
  await host?.ollama.setFault({ kind: "refuse" });
  await eventually("the agent has noticed", async () => (await fleet.host("gpu1")).backend === "down");
  const withoutOllama = await doctor();
  expect([withoutOllama.code, statuses(withoutOllama.findings).at(-1)]).toEqual([1, "host gpu1 fail"]);
  expect(withoutOllama.findings.at(-1)?.fix).toContain("start Ollama");
  await host?.ollama.clearFaults();
  await eventually("the agent has noticed", async () => (await fleet.host("gpu1")).backend === "up");

  await host?.agent.stop("SIGKILL");
  const gone = await doctor();
  expect(gone.code).toBe(1);
  expect(gone.findings.at(-1)).toMatchObject({ check: "host gpu1", status: expect.stringMatching(/fail|warn/) });
});

it("draws the fleet anew until it is ended, and needs an edge to begin", async () => {
  const args = ["fleet", "watch", "--interval", "1s", "--json", "--edge", fleet.url, "--state", fleet.stateDir];
  const watch = await startHive(args, '"policy"');
  await eventually("it looks again", () => watch.lines.filter((line) => line.startsWith("{")).length >= 2);
  await watch.stop();
  const ended = await runHive([
    "fleet",
    "watch",
    "--edge",
    `http://127.0.0.1:${await freePort()}`,
    "--state",
    fleet.stateDir,
  ]);
  expect([ended.code, ended.errors.length]).toEqual([1, 1]);
});
