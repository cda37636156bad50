// Reading recorded workloads: what the columns mean, what is refused, and thinning by whole sessions.
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readAzureTrace, readMooncakeTrace, thinSessions, TraceError } from "../../../src/sim/routing/traces.ts";

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "traces-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(text: string): string {
  const path = join(folder, "trace");
  writeFileSync(path, text);
  return path;
}

const HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens\n";

describe("traces (§3)", () => {
  it("reads Mooncake's rows with their blocks, and takes the second block as the session", () => {
    const row = { timestamp: 3000, input_length: 1100, output_length: 7, hash_ids: [0, 14, 15] };
    const [item] = readMooncakeTrace(fileOf(`${JSON.stringify(row)}\n`), "m");
    const prompt = { tokens: 1100, blocks: [0, 14, 15], blockTokens: 512 };
    expect(item).toEqual({ at: 3000, session: "14", tenant: "trace", model: "m", prompt, outputTokens: 7 });
  });

  it("reads Azure's rows from the first instant on, with prompts that share nothing", () => {
    const rows = "2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,396,109\n";
    const items = readAzureTrace(fileOf(HEADER + rows), "m");
    expect(items.map(({ at, prompt, outputTokens }) => [at, prompt.tokens, outputTokens])).toEqual([
      [0, 374, 44],
      [4315, 396, 109],
    ]);
    expect(items[0]?.prompt.blocks).not.toEqual(items[1]?.prompt.blocks);
  });

  it.each([
    ["another header", "a,b,c\n"],
    ["a count that is none", `${HEADER}2023-11-16 18:15:46.68,x,44\n`],
    ["a missing column", `${HEADER}2023-11-16 18:15:46.68,4\n`],
    ["an instant that is none", `${HEADER}yesterday,4,4\n`],
  ])("refuses an Azure trace with %s", (_, text) => {
    expect(() => readAzureTrace(fileOf(text), "m")).toThrow(TraceError);
  });

  it.each(["{", "{}", '{"timestamp":-1,"input_length":1,"output_length":1,"hash_ids":[]}'])(
    "refuses a Mooncake trace with the row %s",
    (text) => {
      expect(() => readMooncakeTrace(fileOf(text), "m")).toThrow(TraceError);
    },
  );

  it("refuses a file that is too large before reading it", () => {
    const path = fileOf("");
    truncateSync(path, 64 * 2 ** 20 + 1);
    expect(() => readMooncakeTrace(path, "m")).toThrow(TraceError);
  });

  it("thins by whole sessions, the same ones for the same seed", () => {
    const rows = Array.from({ length: 2000 }, (_, index) =>
      JSON.stringify({ timestamp: index, input_length: 600, output_length: 1, hash_ids: [0, index % 500] }),
    );
    const all = readMooncakeTrace(fileOf(rows.join("\n")), "m");
    const thinned = thinSessions(all, 0.3, 1);
    expect(thinned).toEqual(thinSessions(all, 0.3, 1));
    expect(thinned).not.toEqual(thinSessions(all, 0.3, 2));
    const turns = Map.groupBy(thinned, ({ session }) => session);
    expect([...turns.values()].every((items) => items.length === 4)).toBe(true);
    expect(turns.size / 500).toBeCloseTo(0.3, 1);
  });
});
