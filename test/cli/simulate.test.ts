// `hive simulate` as a user runs it.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Decided } from "../../src/sim/routing/router.ts";
import { runHive, stateFolder } from "./run-hive.ts";

async function traceOf(lines: readonly string[], name = "trace.jsonl"): Promise<string> {
  const file = join(await stateFolder(), name);
  await writeFile(file, `${lines.join("\n")}\n`);
  return file;
}

const row = (index: number): string =>
  JSON.stringify({ timestamp: index * 1_000, input_length: 900, output_length: 20, hash_ids: [0, 2 * index + 1] });
const FEW = Array.from({ length: 40 }, (_, index) => row(index));
const SMALL = ["--fleet", "pair", "--keep", "1"];

describe("hive simulate", () => {
  it("prints a table of the policies asked for, the same each time", async () => {
    const args = ["simulate", "--trace", await traceOf(FEW), ...SMALL];
    const policies = ["--policy", "predicted_latency", "--policy", "peer:dynamo"];
    const [one, two] = [await runHive([...args, ...policies]), await runHive([...args, ...policies])];
    expect(one.code).toBe(0);
    const rows = one.stdout.trimEnd().split("\n");
    expect(rows.map((line) => line.split(" ")[0])).toEqual(["policy", "predicted_latency", "peer:dynamo"]);
    expect(rows[1]).toMatch(/ 40 +0 +0$/);
    expect(two.stdout).toBe(one.stdout);
  });

  it("prints JSON and writes a page", async () => {
    const html = join(await stateFolder(), "page.html");
    const file = await traceOf(FEW);
    const ended = await runHive([
      "simulate",
      "--trace",
      file,
      ...SMALL,
      "--policy",
      "random",
      "--json",
      "--html",
      html,
    ]);
    const { results, requests } = JSON.parse(ended.stdout);
    expect([requests, results[0].name, results[0].metrics.served]).toEqual([40, "random", 40]);
    expect(await readFile(html, "utf8")).toContain("<title>random</title>");
  });

  it("writes why each request went where, as the cell itself explains it", async () => {
    const file = join(await stateFolder(), "decisions.jsonl");
    const policies = ["--policy", "predicted_latency", "--policy", "sticky", "--policy", "peer:dynamo"];
    const ended = await runHive([
      "simulate",
      "--trace",
      await traceOf(FEW),
      ...SMALL,
      ...policies,
      "--decisions",
      file,
    ]);
    expect(ended.code).toBe(0);
    const lines = (await readFile(file, "utf8")).trimEnd().split("\n");
    const decided: Decided[] = lines.map((line) => JSON.parse(line));
    expect(decided.map(({ decision }) => decision.policy)).toEqual([
      ...FEW.map(() => "predicted_latency"),
      ...FEW.map(() => "sticky"),
    ]);
    for (const { decision, attempt } of decided) {
      const chosen = decision.candidates.find(({ hostId }) => hostId === decision.chosen);
      expect([attempt, chosen?.filtered, typeof chosen?.score]).toEqual([1, undefined, "number"]);
    }
    expect(new Set(decided.map(({ requestId }) => requestId)).size).toBe(FEW.length);
  });

  it("reads Azure's format too", async () => {
    const lines = ["TIMESTAMP,ContextTokens,GeneratedTokens", "2023-11-16 18:15:46.6805900,374,44"];
    const file = await traceOf(lines, "azure.csv");
    const ended = await runHive(["simulate", "--trace", file, ...SMALL, "--policy", "random", "--json"]);
    expect(JSON.parse(ended.stdout).requests).toBe(1);
  });

  it("names every policy, and says of peers' that they are re-implemented", async () => {
    const { stdout } = await runHive(["simulate", "--policy", "list"]);
    expect(stdout).toContain("predicted_latency\n");
    expect(stdout).toMatch(/peer:hivecore_pull {2}re-implemented: HiveCore/);
  });

  it.each([
    ["an unknown policy", 2, ["--policy", "nope"], "nope"],
    ["an unknown scenario", 2, ["--scenario", "Z"], "Z"],
    ["an unknown fleet", 2, ["--trace", "x", "--fleet", "huge"], "huge"],
    ["a part that is none", 2, ["--keep", "1.5"], "--keep"],
    ["both kinds of workload", 2, ["--trace", "x", "--scenario", "A"], "exclude"],
    ["a file that is not there", 1, ["--trace", "nowhere.jsonl"], "nowhere.jsonl"],
  ])("ends with one line that names it: %s", async (_, code, args, named) => {
    const ended = await runHive(["simulate", ...args]);
    expect([ended.code, ended.stdout, ended.errors.length]).toEqual([code, "", 1]);
    expect(ended.errors[0]).toContain(named);
  });

  it("names the row of a trace that it cannot read", async () => {
    const ended = await runHive(["simulate", "--trace", await traceOf([row(0), '{"timestamp":1}'])]);
    expect([ended.code, ended.errors.length]).toEqual([1, 1]);
    expect(ended.errors[0]).toContain("row 2");
  });
});
