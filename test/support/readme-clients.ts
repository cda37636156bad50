// The README's table "Your client", row by row, so that tests use what it says and not what they believe.
import { readFile } from "node:fs/promises";

export interface ReadmeClient {
  readonly name: string;
  /** The cells as written. */
  readonly url: string;
  readonly token: string;
}

/** What a reader puts in for the words in capitals. */
export interface Values {
  readonly URL: string;
  readonly TOKEN: string;
  readonly KEY: string;
}

/** Rows of the table, as the README has them. */
export async function readReadmeClients(): Promise<readonly ReadmeClient[]> {
  const text = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const section = /\n## Your client\n(.*?)\n## /s.exec(text)?.[1] ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| your client"));
  return rows.map((line) => {
    const [, name = "", url = "", token = ""] = line.split("|").map((cell) => cell.trim());
    return { name, url, token };
  });
}

/** The pieces of code in a cell, with the words in capitals replaced. */
export function codeIn(cell: string, values: Values): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, code = ""]) =>
    code.replaceAll(/\b(?:URL|TOKEN|KEY)\b/g, (word) => values[word as keyof Values]),
  );
}

/** What stands in a piece of code as the value: in quotes, after `=`, after `name: `, or all of it. */
export function valueIn(code: string): string {
  const [, quoted] = /"([^"]*)"/.exec(code) ?? [];
  return quoted ?? /^[A-Za-z_]+(?:=|: )(.*)$/.exec(code)?.[1] ?? code;
}
