// Which cell a host joins: by its invite, by where it stands, once per invite, and never in two cells.
import { expect, it } from "vitest";
import { sha256Base64Url } from "../../src/auth/digest.ts";
import { signHostToken } from "../../src/auth/host-token.ts";
import { issueJoinToken } from "../../src/auth/join-token.ts";
import type { Invitation } from "../../src/auth/join-token.ts";
import type { FleetView } from "../../src/wire/fleet-view.ts";
import type { JoinAnswer } from "../../src/wire/host.ts";
import { ISSUER, makeHostKeys, startEdge } from "./edge.ts";
import type { TestEdge } from "./edge.ts";

async function invite(edge: TestEdge, hostId: string, bound: Partial<Invitation>): Promise<string> {
  const invitation = { hostId, url: `https://${hostId}.hosts.example.com`, pool: "default", region: "", ...bound };
  return await issueJoinToken(edge.keys, invitation, { issuer: ISSUER, now: Date.now() });
}

/** Joins as an agent with keys of its own does; `from` is the region it calls from. */
async function join(edge: TestEdge, hostId: string, token: string, from = "any"): Promise<Response> {
  const keys = await makeHostKeys();
  const { signingKey, agreementKey } = keys;
  const bodySha256 = await sha256Base64Url(new TextEncoder().encode(`${signingKey.x}.${agreementKey.x}`));
  const claims = { hostId, runId: "join", sequence: 0, bodySha256, issuer: ISSUER, now: Date.now() };
  const body = JSON.stringify({ signingKey, agreementKey, proof: await signHostToken(keys, claims) });
  return await edge.call(`/hive/v1/hosts/${hostId}/join`, {
    method: "POST",
    token,
    headers: { "content-type": "application/json", "hive-region": from },
    body,
  });
}

async function cellsOf(edge: TestEdge): Promise<Record<string, string | undefined>> {
  const answer = await edge.call("/hive/v1/fleet", { token: await edge.admin() });
  const { hosts } = await answer.json<FleetView>();
  return Object.fromEntries(hosts.map(({ id, cell }) => [id, cell]));
}

it("puts a host into the cell of its invite's region, or else of the region it calls from", async () => {
  const edge = await startEdge({ CELLS: "p1:weur, p1:enam" });
  const told = await join(edge, "a", await invite(edge, "a", { pool: "p1", region: "enam" }), "weur");
  expect((await told.json<JoinAnswer>()).cell).toBe("cell:p1:enam");
  const standing = await join(edge, "b", await invite(edge, "b", { pool: "p1" }), "eeur");
  expect((await standing.json<JoinAnswer>()).cell).toBe("cell:p1:weur");
  expect(await cellsOf(edge)).toEqual({ a: "cell:p1:enam", b: "cell:p1:weur" });
});

it("fills the shards of a region evenly", async () => {
  const edge = await startEdge({ CELLS: "p2:weur:0, p2:weur:1" });
  for (const id of ["a", "b", "c", "d"]) await join(edge, id, await invite(edge, id, { pool: "p2", region: "weur" }));
  const cells = Object.values(await cellsOf(edge));
  expect(cells.filter((cell) => cell === "cell:p2:weur:0")).toHaveLength(2);
});

it("takes an invite once, though the second time another cell would have its turn", async () => {
  const edge = await startEdge({ CELLS: "p3:weur:0, p3:weur:1" });
  const token = await invite(edge, "a", { pool: "p3", region: "weur" });
  expect((await join(edge, "a", token)).status).toBe(200);
  expect((await join(edge, "a", token)).status).toBe(409);
  expect(Object.keys(await cellsOf(edge))).toEqual(["a"]);
});

it("moves a host that is invited to another region, and forgets it where it was", async () => {
  const edge = await startEdge({ CELLS: "p4:weur, p4:enam" });
  await join(edge, "a", await invite(edge, "a", { pool: "p4", region: "weur" }));
  await join(edge, "a", await invite(edge, "a", { pool: "p4", region: "enam" }));
  expect(await cellsOf(edge)).toEqual({ a: "cell:p4:enam" });
});

it("counts the hosts of all cells against MAX_INSTANCES", async () => {
  const edge = await startEdge({ CELLS: "p5:weur, p5:enam", MAX_INSTANCES: "2" });
  await join(edge, "a", await invite(edge, "a", { pool: "p5", region: "weur" }));
  await join(edge, "b", await invite(edge, "b", { pool: "p5", region: "enam" }));
  const third = await join(edge, "c", await invite(edge, "c", { pool: "p5", region: "enam" }));
  expect([third.status, (await third.json<{ code: string }>()).code]).toEqual([409, "too_many_hosts"]);
  expect((await join(edge, "a", await invite(edge, "a", { pool: "p5", region: "weur" }))).status).toBe(200);
});

it("says which pool no cell takes", async () => {
  const edge = await startEdge({ CELLS: "p6:weur" });
  const answer = await join(edge, "a", await invite(edge, "a", { pool: "gpu" }));
  expect(answer.status).toBe(400);
  expect((await answer.json<{ detail: string }>()).detail).toContain("gpu");
});
