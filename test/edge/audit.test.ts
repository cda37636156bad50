// The audit log: every change by an operator or by whoever works on models, what it was about, and no way to push it out.
import { runInDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";
import { directoryOf } from "../../src/edge/env.ts";
import type { AuditEntry } from "../../src/wire/directory-rpc.ts";
import { ROUTES } from "../../src/wire/routes.ts";
import { startEdge } from "./edge.ts";
import type { TestEdge } from "./edge.ts";

async function entriesOf(edge: TestEdge): Promise<AuditEntry[]> {
  const answer = await edge.call("/hive/v1/audit", { token: await edge.admin() });
  const { entries }: { entries: AuditEntry[] } = await answer.json();
  return entries;
}

it("has a row for every change that an operator or a manager asks for, with whom or what it was about [T14 T24]", async () => {
  const edge = await startEdge();
  const [operator, manager] = [await edge.admin(), await edge.client({ scope: ["inference", "manage"] })];
  const asked: [method: string, path: string, about: string | undefined, body?: object][] = [
    ["POST", "/hive/v1/hosts/h1/drain", undefined],
    ["POST", "/hive/v1/hosts/h1/resume", undefined],
    ["DELETE", "/hive/v1/hosts/h1", undefined],
    ["DELETE", "/hive/v1/tokens?sub=mallory", "mallory"],
    ["DELETE", "/hive/v1/tokens/some-id", undefined],
    ["POST", "/api/pull", "llama3.2:latest", { model: "llama3.2" }],
    ["POST", "/api/push", "me/mine:latest", { model: "me/mine" }],
    ["POST", "/api/create", "mine:latest llama3.2:latest", { model: "mine", from: "llama3.2" }],
    ["POST", "/api/copy", "a:latest b:latest", { source: "a", destination: "b" }],
    ["DELETE", "/api/delete", "old:latest", { model: "old" }],
    ["POST", `/api/blobs/sha256:${"0".repeat(64)}`, undefined],
    ["POST", "/api/generate", "unload big:latest", { model: "big", keep_alive: 0 }],
  ];
  for (const [method, path, , body] of asked) {
    const token = path.startsWith("/api/") ? manager : operator;
    await (
      await edge.call(path, { method, token, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    ).text();
  }
  const wish = JSON.stringify({ role: "client", sub: "alice" });
  const issued = await edge.call("/hive/v1/tokens", { method: "POST", token: operator, body: wish });
  const { id } = (await issued.json()) as { id: string };

  const entries = await entriesOf(edge);
  expect(entries[0]).toMatchObject({ operator: "root", action: "POST /hive/v1/tokens", about: `client alice ${id}` });
  expect(
    entries
      .slice(1)
      .toReversed()
      .map(({ action, target, about }) => [action.split(" ")[0], target, about]),
  ).toEqual(asked.map(([method, path, about]) => [method, path.split("?")[0], about]));
  expect(JSON.stringify(entries)).not.toContain(operator);
  // Whoever adds a route that changes something must come by here.
  const changes = ROUTES.filter(({ method, access }) => method !== "GET" && method !== "HEAD" && access !== "client");
  const seen = new Set(entries.map(({ action }) => action));
  expect(changes.map(({ method, path }) => `${method} ${path}`).filter((action) => !seen.has(action))).toEqual([
    "POST /hive/v1/hosts/:id/join",
    "POST /hive/v1/hosts/:id/heartbeat",
    "POST /hive/v1/connections/closed",
    "POST /api/me",
  ]);
});

it("keeps what operators did, however much clients do to models, and no row for those who only look [T14]", async () => {
  const edge = await startEdge();
  const directory = directoryOf(edge.env) as DurableObjectStub & ReturnType<typeof directoryOf>;
  const entry = (action: string): AuditEntry => ({
    at: 1,
    operator: `"action":"POST /hive/`,
    tokenId: "t",
    action,
    target: "x",
    status: 200,
  });
  await runInDurableObject(directory, (_, { storage }) => void storage.sql.exec("DELETE FROM audit"));
  await directory.recordAudit(entry("DELETE /hive/v1/hosts/:id"));
  await directory.recordAudit(entry("POST /api/pull"));
  await runInDurableObject(directory, (_, { storage }) => {
    storage.sql.exec(
      "INSERT INTO audit (entry) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99999) SELECT ? FROM n",
      JSON.stringify(entry("POST /api/pull")),
    );
  });
  await directory.recordAudit(entry("POST /api/pull"));
  const oldest = await runInDurableObject(directory, (_, { storage }) =>
    storage.sql.exec<{ entry: string }>("SELECT entry FROM audit ORDER BY number LIMIT 2").toArray(),
  );
  expect(oldest[0]?.entry).toContain("DELETE /hive/v1/hosts/:id");
  const count = await runInDurableObject(directory, (_, { storage }) =>
    storage.sql.exec<{ count: number }>("SELECT count(*) AS count FROM audit").one(),
  );
  expect(count).toEqual({ count: 100_001 });

  const before = (await entriesOf(edge)).length;
  const manager = await edge.client({ scope: ["inference", "manage"] });
  await edge.call(`/api/blobs/sha256:${"0".repeat(64)}`, { method: "HEAD", token: manager });
  await edge.call("/api/tags", { token: manager });
  expect((await entriesOf(edge)).length).toBe(before);
}, 30_000);
