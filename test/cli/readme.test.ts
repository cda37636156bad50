// The command table of the README is the command line.
import { access, constants, readFile } from "node:fs/promises";
import type { Command } from "commander";
import { expect, it } from "vitest";
import { buildProgram } from "../../src/cli/program.ts";
import { HIVE } from "./run-hive.ts";

/** `hive NOUN VERB` of each command that does something. */
function leavesOf(command: Command, path: readonly string[] = []): Map<string, Command> {
  const name = [...path, command.name()];
  if (command.commands.length === 0) return new Map([[name.join(" "), command]]);
  return new Map(command.commands.flatMap((child) => [...leavesOf(child, name)]));
}

/** Each command that the table shows, with the flags it shows for it. */
async function published(): Promise<{ readonly name: string; readonly flags: readonly string[] }[]> {
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const section = readme.split("\n## ").find((part) => part.startsWith("Commands\n")) ?? "";
  const shown = [...section.matchAll(/^\| (`hive .+?) \| /gm)].flatMap(([, cell = ""]) => [
    ...cell.replaceAll("\\|", "|").matchAll(/`(hive [^`]+)`/g),
  ]);
  return shown.flatMap(([, text = ""]) => {
    const [, noun = "", verbs = ""] = text.split(" ");
    const flags = text.match(/--[a-z-]+/g) ?? [];
    const names = /^[a-z|]+$/.test(verbs) ? verbs.split("|").map((verb) => `hive ${noun} ${verb}`) : [`hive ${noun}`];
    return names.map((name) => ({ name, flags }));
  });
}

it("shows every command, and no flag that its command does not take", async () => {
  const leaves = leavesOf(buildProgram());
  const shown = await published();
  expect([...new Set(shown.map(({ name }) => name))].toSorted()).toEqual([...leaves.keys()].toSorted());
  for (const { name, flags } of shown) {
    const known = leaves.get(name)?.options.map(({ long }) => long);
    for (const flag of flags) expect(known, `${name} ${flag}`).toContain(flag);
  }
});

it("writes in every help what a person can read: defaults with their units, a description for each flag", () => {
  for (const [name, command] of leavesOf(buildProgram())) {
    const help = command.helpInformation();
    expect(help, name).not.toMatch(/default: (\{|"?"?\)|\d{5,}\b(?<!\b(11434|32768)))/);
    for (const { long, description } of command.options) expect(description, `${name} ${String(long)}`).not.toBe("");
  }
});

it("can be run as `npx hive` from a clone: its file is executable", async () => {
  await expect(access(HIVE, constants.X_OK)).resolves.toBeUndefined();
});
