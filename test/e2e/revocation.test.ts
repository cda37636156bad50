// Revocation bites: new work within 5 s, running work within 10 s, and for good; by token, tenant, host and operator.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runHive } from "../cli/run-hive.ts";
import type { AuditEntry, TokenRecord } from "../../src/wire/directory-rpc.ts";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { eventually, startFleet, startHive } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

const NEW_WORK_MS = 5_000;
const RUNNING_WORK_MS = 10_000;
/** Answers for a minute and a half. */
const models = [simulatedModel({ name: "slow", decodeTokensPerSecond: 20 })];
let fleet: TestFleet;

beforeEach(async () => {
  fleet = await startFleet();
  await fleet.addHost("a", { models, slots: 4 }, 4);
});
afterEach(async () => await fleet.close());

const idOf = (token: string) =>
  (JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { jti: string }).jti;

async function ask(method: string, path: string, token = fleet.adminToken): Promise<Response> {
  return await fetch(`${fleet.url}${path}`, { method, headers: { authorization: `Bearer ${token}` } });
}

async function chat(token: string, stream = true): Promise<Response> {
  return await fetch(`${fleet.url}/api/chat`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({
      model: "slow",
      messages: [{ role: "user", content: "hi" }],
      stream,
      options: { num_predict: 1_800 },
    }),
  });
}

/** Resolves with the milliseconds from the call to the end of the answer. */
async function untilEnd(response: Response): Promise<{ tookMs: number; text: string }> {
  const startedAt = performance.now();
  const text = await response.text();
  return { tookMs: performance.now() - startedAt, text };
}

async function refusedWithin(token: string, path = "/api/tags"): Promise<void> {
  const what = `${path} is refused to a revoked token`;
  await eventually(what, async () => (await ask("GET", path, token)).status === 401, NEW_WORK_MS);
}

describe("a revoked [T15]", () => {
  it("token starts nothing after 5 s, its stream ends within 10 s and frees the host, others go on", async () => {
    const [bad, good] = [await fleet.clientToken(), await fleet.clientToken()];
    const [cut, kept] = [await chat(bad), await chat(good)];
    expect([cut.status, kept.status]).toEqual([200, 200]);
    expect((await ask("DELETE", `/hive/v1/tokens/${idOf(bad)}`)).status).toBe(200);
    const ended = untilEnd(cut);
    await refusedWithin(bad);
    const { tookMs, text } = await ended;
    expect(tookMs).toBeLessThan(RUNNING_WORK_MS);
    expect(text).not.toContain('"done":true');
    const host = fleet.hosts[0]?.ollama;
    await eventually(
      "the host stopped for one",
      () => host?.requests.filter((seen) => seen.closedByClient).length === 1,
    );
    expect((await fleet.host("a")).status).toBe("alive");
    expect((await ask("GET", "/api/tags", good)).status).toBe(200);
    await kept.body?.cancel();
  });

  it("token ends a request that waits for its whole answer", async () => {
    const token = await fleet.clientToken();
    const answer = chat(token, false);
    await eventually("it runs", async () => (await fleet.readFleet()).activeLeases === 1);
    const startedAt = performance.now();
    await ask("DELETE", `/hive/v1/tokens/${idOf(token)}`);
    expect((await answer).status).toBe(401);
    expect(performance.now() - startedAt).toBeLessThan(RUNNING_WORK_MS);
    await eventually("its lease is free", async () => (await fleet.readFleet()).activeLeases === 0);
  });

  it("tenant loses every token issued until then, also over a restart of the edge, and none issued later", async () => {
    const iat = Math.floor(Date.now() / 1000) - 10;
    const tokens = [await fleet.clientToken({ sub: "mallory", iat }), await fleet.clientToken({ sub: "mallory", iat })];
    for (const token of tokens) expect((await ask("GET", "/api/tags", token)).status).toBe(200);
    const other = await fleet.clientToken({ sub: "alice", iat });
    expect((await ask("DELETE", "/hive/v1/tokens?sub=mallory")).status).toBe(200);
    for (const token of tokens) await refusedWithin(token);
    await fleet.edge.stop("SIGKILL");
    const port = new URL(fleet.url).port;
    const edge = await startHive(["serve", "--port", port, "--state", fleet.stateDir], "hive: ready");
    try {
      expect((await ask("GET", "/api/tags", tokens[0])).status).toBe(401);
      expect((await ask("GET", "/api/tags", other)).status).toBe(200);
      const later = await fleet.clientToken({ sub: "mallory", iat: Math.floor(Date.now() / 1000) + 1 });
      expect((await ask("GET", "/api/tags", later)).status).toBe(200);
      const { tokens: listed } = (await (await ask("GET", "/hive/v1/tokens")).json()) as { tokens: TokenRecord[] };
      const revoked = listed.filter(({ revokedAt }) => revokedAt !== undefined).map(({ sub }) => sub);
      expect(revoked).toEqual(["mallory", "mallory"]);
    } finally {
      await edge.stop();
    }
  });

  it("token is one that the command line listed and revoked, and the audit log says who did", async () => {
    const token = await fleet.clientToken({ sub: "bob", models: ["slow"] });
    await ask("GET", "/api/tags", token);
    const edge = ["--edge", fleet.url, "--state", fleet.stateDir];
    const listed = await runHive(["token", "list", "--json", ...edge]);
    expect(listed.stdout).not.toContain(token);
    const records = JSON.parse(listed.stdout) as TokenRecord[];
    expect(records).toMatchObject([{ id: idOf(token), sub: "bob", role: "client", models: ["slow"] }]);
    expect((await runHive(["token", "list", ...edge])).stdout).toMatch(/^ID .*\n.* bob /);
    expect((await runHive(["token", "revoke", idOf(token), ...edge])).code).toBe(0);
    await refusedWithin(token);
    expect((await runHive(["token", "revoke", ...edge])).code).toBe(2);
    const { entries } = (await (await ask("GET", "/hive/v1/audit")).json()) as { entries: AuditEntry[] };
    expect(entries.map(({ operator }) => operator)).toEqual(["hive-cli", "invite"]);
    expect(entries.slice(0, 1)).toMatchObject([
      {
        operator: "hive-cli",
        action: "DELETE /hive/v1/tokens/:id",
        target: `/hive/v1/tokens/${idOf(token)}`,
        status: 200,
      },
    ]);
  });

  it("operator can do nothing any more", async () => {
    const response = await fetch(`${fleet.url}/hive/v1/tokens`, {
      method: "POST",
      headers: { authorization: `Bearer ${fleet.adminToken}` },
      body: JSON.stringify({ role: "admin", sub: "eve", expires: "1h" }),
    });
    const { token } = (await response.json()) as { token: string };
    expect((await ask("GET", "/hive/v1/fleet", token)).status).toBe(200);
    // A token carries whole seconds: one issued in the second of the revocation counts as issued before.
    await ask("DELETE", "/hive/v1/tokens?sub=eve");
    await refusedWithin(token, "/hive/v1/fleet");
    expect((await ask("POST", "/hive/v1/hosts/a/drain", token)).status).toBe(401);
    expect((await fleet.host("a")).drained).toBe(false);
  });

  it("host gets no request, its heartbeats are refused, and what it streams ends within 10 s", async () => {
    const stream = await chat(fleet.token);
    expect(stream.status).toBe(200);
    const ended = untilEnd(stream);
    expect((await ask("DELETE", "/hive/v1/hosts/a")).status).toBe(204);
    expect((await chat(fleet.token)).status).toBe(503);
    const { tookMs, text } = await ended;
    expect(tookMs).toBeLessThan(RUNNING_WORK_MS);
    expect(text.trimEnd().split("\n").at(-1)).toContain('"error"');
    const refused = (line: string) => line.includes("heartbeat-failed");
    await eventually("the agent is told", () => fleet.hosts[0]?.agent.lines.some(refused) === true);
  });
});
