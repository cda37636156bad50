// The route table that the README publishes is the one that the edge enforces and the tests attack.
import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { ROUTES } from "../../src/wire/routes.ts";
import type { Route } from "../../src/wire/routes.ts";

const WHO = {
  none: "everybody",
  invite: "an invite",
  host: "a host's key",
  client: "clients",
  manage: "clients with scope `manage`",
  scale: "autoscalers (scope `scale`) and operators",
  admin: "operators",
};

/** A row as the README has it, but for what the route does. */
function row({ method, path, access, scope }: Route): string {
  return `| \`${method} ${path}\` | ${WHO[access]}${scope === undefined ? "" : ` (\`${scope}\`)`} |`;
}

it("publishes every route of the edge with who may call it, and no other [T14]", async () => {
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const [, section = ""] = readme.split("### Who may call what\n");
  const published =
    section
      .split("\n#")[0]
      ?.split("\n")
      .filter((line) => line.startsWith("| `")) ?? [];
  expect(published.map((line) => /^\| .* \| .* \|(?= \S.* \|$)/.exec(line)?.[0])).toEqual(ROUTES.map(row));
});
