// Log lines: what is not listed is not written, and nothing that looks like a secret or breaks a line.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { logLine } from "../../src/wire/log-line.ts";
import type { LogLine } from "../../src/wire/log-line.ts";

const SOURCES = new URL("../../src/", import.meta.url).pathname;

describe("a log line [T27]", () => {
  it("has the listed fields alone, with plain values alone", () => {
    const careless = {
      event: "x",
      prompt: "secret words",
      headers: { a: 1 },
      reason: { deep: 1 },
      status: 500,
      token: "t",
    };
    expect(JSON.parse(logLine(careless as unknown as LogLine))).toEqual({ event: "x", status: 500 });
  });

  it.each([
    "failed with eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl",
    "GET /k/eyJhbGciOiJFZERTQSJ9.e30.x/api/tags",
    "header Bearer abc.def",
    "cut eyJhbGciOiJFZERTQSJ9",
  ])("has no secret in it: %s", (reason) => {
    expect(logLine({ event: "x", reason })).not.toMatch(/eyJ|abc\.def/);
  });

  it("is one line, and short, whatever a host wrote", () => {
    const line = logLine({ event: "x", reason: `a\nb\r\u0000\u009b31m\u007f${"c".repeat(10_000)}` });
    expect(line).not.toMatch(/\p{Cc}/u);
    expect(line.length).toBeLessThan(220);
  });

  it("is the only thing that edge, cell and agent write", async () => {
    const files = (await readdir(SOURCES, { recursive: true })).filter((name) =>
      /^(edge|cell|core|auth|wire|agent)\/.*\.ts$/.test(name),
    );
    expect(files.length).toBeGreaterThan(100);
    for (const file of files) {
      const text = await readFile(join(SOURCES, file), "utf8");
      const written = text.match(/(?:console\.\w+|process\.std(?:out|err)\.write)\(\s*\w+/g) ?? [];
      expect(
        written.filter((call) => !/\(\s*logLine$/.test(call)),
        file,
      ).toEqual([]);
    }
  });
});
