// The README's table of scenarios: each row names a test that is there.
import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";

const ROOT = new URL("..", import.meta.url);

it("names, in each row about waiting, a test that exists", async () => {
  const readme = await readFile(new URL("README.md", ROOT), "utf8");
  const section = readme.split("\n## ").find((part) => part.startsWith("Waiting\n")) ?? "";
  const table = section.slice(section.indexOf("| scenario |"));
  const rows = [...table.matchAll(/^\|.*\| `(test\/[^`]+)`: (.+) \|$/gm)];
  expect(rows.length).toBeGreaterThan(20);
  expect(table.match(/^\| /gm)?.length).toBe(rows.length + 1);
  for (const [, file = "", name = ""] of rows) {
    const source = await readFile(new URL(file, ROOT), "utf8");
    expect(source.includes(name), `${file}: ${name}`).toBe(true);
  }
});
