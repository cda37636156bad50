// What hosts, tenants and issuers wrote, on an operator's screen: text, and nothing that steers it.
import { expect, it } from "vitest";
import { alignColumns, fleetText } from "../../src/cli/fleet-table.ts";
import { modelTable } from "../../src/cli/model-table.ts";
import { PullProgress } from "../../src/cli/pull-progress.ts";
import { onOneLine, shown } from "../../src/cli/terminal.ts";
import type { FleetView } from "../../src/wire/fleet-view.ts";

/** Sets the window's title, clears the screen, goes to another line, and turns the text around. */
const HOSTILE = "\u001b]0;owned\u0007\u001b[2J\rx\nfake  alive\u009b31m\u202e\u2066\u007f";
const STEERS = /[^\P{Cc}\n]|[\u202a-\u202e\u2066-\u2069]/u;

const host = {
  id: "a",
  status: "alive",
  backend: "up",
  url: "https://a",
  slots: 1,
  activeLeases: 0,
  models: [{ name: HOSTILE, digest: HOSTILE, sizeBytes: 1 }],
  running: [{ name: HOSTILE }],
};
const fleet = {
  hosts: [host],
  conflicts: [{ name: HOSTILE, served: HOSTILE, copies: [{ digest: HOSTILE, hosts: ["a", "b"] }] }],
  policy: "random",
  activeLeases: 0,
  queued: 0,
} as unknown as FleetView;

it("are shown in tables, each in its cell, with no line of their own [T26]", () => {
  for (const [text, lines] of [
    [fleetText(fleet), 4],
    [modelTable(fleet), 2],
    [alignColumns([["DAY"], [HOSTILE]]), 2],
  ] as const) {
    expect(text).not.toMatch(STEERS);
    expect(text.split("\n")).toHaveLength(lines);
  }
});

it("are shown beside bars, however a pull fails [T26]", () => {
  const progress = new PullProgress();
  expect(progress.take(JSON.stringify({ host: "a", error: HOSTILE }))).toBe("a");
  for (const line of [progress.line("a"), ...progress.lines()]) {
    expect(line).not.toMatch(STEERS);
    expect(line).not.toContain("\n");
  }
});

it("are written out in whatever a command prints, which as JSON means the same [T26]", () => {
  expect(shown(HOSTILE)).not.toMatch(STEERS);
  expect(onOneLine("a\nb\tc")).toBe("a\\u000ab\\u0009c");
  expect(shown("one\ntwo\tx é 漢 👩‍💻")).toBe("one\ntwo\tx é 漢 👩‍💻");
  expect(JSON.parse(shown(JSON.stringify({ name: HOSTILE })))).toEqual({ name: HOSTILE });
});
