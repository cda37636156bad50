// The Durable Object inside workerd: what outlives its memory, and what a join token may do once.
import { env } from "cloudflare:workers";
import { evictDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";
import type { CellRpc } from "../../src/wire/cell-rpc.ts";
import type { HostRegistration } from "../../src/wire/host.ts";
import type { Heartbeat } from "../../src/wire/heartbeat.ts";
import type { LeaseRequest } from "../../src/wire/lease.ts";

type ActiveLease = Heartbeat["active"][number];

const key = (crv: "Ed25519" | "X25519") => ({ kty: "OKP", crv, x: "A".repeat(43) }) as const;
const registration: HostRegistration = {
  id: "a",
  url: "https://a.example.com",
  pool: "default",
  region: "any",
  signingKey: key("Ed25519"),
  agreementKey: key("X25519"),
  registeredAt: 1,
  drained: false,
};
const beat: Heartbeat = {
  runId: "run-00000001",
  sequence: 1,
  agentVersion: "0.1.0",
  ollamaVersion: "0.33.0",
  backend: "up",
  models: [],
  running: [],
  slots: 2,
  parallel: 2,
  active: [],
  finished: [],
};
const MODEL = "registry.ollama.ai/library/m:latest";
const onDisk = {
  name: "m",
  digest: "d".repeat(64),
  sizeBytes: 1,
  modifiedAt: "2026-01-01T00:00:00Z",
  capabilities: ["completion"],
};
const request: LeaseRequest = {
  requestId: "r1",
  principal: { tokenId: "t", tenant: "acme", priority: "normal", pool: "default" },
  model: MODEL,
  needs: [],
  kind: "chat",
  streaming: false,
  runner: "",
  promptBytes: 1,
  prefix: [],
  exclude: [],
  attempt: 1,
};

/** Gives the host `a` a lease, and answers how its heartbeats list that. */
async function lease(cell: CellRpc, part: Partial<LeaseRequest> = {}): Promise<ActiveLease> {
  const answer = await cell.acquireLease({ ...request, ...part });
  return answer.ok
    ? { id: answer.grant.leaseId, model: MODEL, startedAt: 1 }
    : expect.fail(JSON.stringify(answer.refusal));
}

function cellNamed(name: string): DurableObjectStub & CellRpc {
  return (env as { CELL: DurableObjectNamespace }).CELL.getByName(name) as DurableObjectStub & CellRpc;
}

it("keeps hosts and used join tokens when its memory is lost [T3]", async () => {
  const cell = cellNamed("durable");
  expect(await cell.joinHost(registration, "token-1")).toEqual({ ok: true });
  await evictDurableObject(cell);
  expect(await cellNamed("durable").readHostKey("a")).toEqual(registration.signingKey);
  expect(await cellNamed("durable").joinHost(registration, "token-1")).toEqual({ ok: false, code: "conflict" });
});

it("counts leases again from the first heartbeat after its memory is lost", async () => {
  const cell = cellNamed("recount");
  await cell.joinHost(registration, "token-1");
  expect(await cell.recordHeartbeat("a", { ...beat, models: [onDisk] })).toMatchObject({ ok: true });
  const active = [await lease(cell)];
  expect(await cell.readFleet()).toMatchObject({ activeLeases: 1 });
  await evictDurableObject(cell);
  expect(await cellNamed("recount").readFleet()).toMatchObject({ activeLeases: 0, hosts: [{ status: "unheard" }] });
  const answer = await cellNamed("recount").recordHeartbeat("a", { ...beat, sequence: 2, active });
  expect(answer).toMatchObject({ ok: true, answer: { resync: true } });
  expect(await cellNamed("recount").readFleet()).toMatchObject({ activeLeases: 1 });
});

it("takes no host's word for leases that it did not give, so that none uses up a tenant's limits [T4 T19 T23]", async () => {
  const cell = cellNamed("made-up");
  await cell.joinHost(registration, "token-1");
  await cell.recordHeartbeat("a", { ...beat, models: [onDisk] });
  const { id } = await lease(cell);
  const [random = "", mark = "", tenant = ""] = id.split(".");
  const ids = [
    `${crypto.randomUUID()}.${tenant}`,
    `${crypto.randomUUID()}.${mark}.${tenant}`,
    `${random}.${"0".repeat(16)}.${tenant}`,
    `${random}.${mark}.0${tenant}`,
    `${random}.${mark}.${String(Number(tenant) + 1)}`,
    "lease-1",
  ];
  const finished = ids.map((made) => ({
    id: made,
    model: MODEL,
    outcome: "served" as const,
    promptTokens: 1_000_000,
    totalMs: 1,
  }));
  const active = [id, ...ids].map((listed) => ({ id: listed, model: MODEL, startedAt: 1 }));
  expect(await cell.recordHeartbeat("a", { ...beat, sequence: 2, models: [onDisk], active, finished })).toMatchObject({
    ok: true,
  });
  expect(await cell.readFleet()).toMatchObject({ activeLeases: 1 });
  expect(await cell.readUsage({ sinceDay: "2020-01-01" })).toEqual([]);
  const limits = { concurrent: 2, tokensPerDay: 1_000 };
  await lease(cell, { requestId: "r2", principal: { ...request.principal, limits } });
  const real = finished.slice(0, 1).map((report) => ({ ...report, id }));
  await cell.recordHeartbeat("a", { ...beat, sequence: 3, models: [onDisk], finished: real });
  expect(await cell.readUsage({ sinceDay: "2020-01-01" })).toMatchObject([{ tenant: "acme", requests: 1 }]);
});

it("refuses a heartbeat that comes a second time [T5]", async () => {
  const cell = cellNamed("replay");
  await cell.joinHost(registration, "token-1");
  expect(await cell.recordHeartbeat("a", beat)).toMatchObject({ ok: true });
  expect(await cell.recordHeartbeat("a", beat)).toEqual({ ok: false, code: "stale_heartbeat" });
  expect(await cell.recordHeartbeat("unknown", beat)).toEqual({ ok: false, code: "unknown_host" });
});

const guarded = { ...registration, guarded: true };

/** What the cell calls itself to whoever does not name it. */
async function nameOf(name: string): Promise<string> {
  const verdict = await cellNamed(name).recordHeartbeat("a", beat);
  return "memory" in verdict ? verdict.memory : expect.fail(JSON.stringify(verdict));
}

it("refuses a heartbeat that was written before its memory was lost, however high its sequence [T5]", async () => {
  await cellNamed("written").joinHost(guarded, "token-1");
  const captured = { ...beat, memory: await nameOf("written"), sequence: 900 };
  expect(await cellNamed("written").recordHeartbeat("a", { ...captured, sequence: 1 })).toMatchObject({ ok: true });
  await evictDurableObject(cellNamed("written"));
  expect(await cellNamed("written").recordHeartbeat("a", captured)).toMatchObject({ ok: false, code: "new_cell" });
  const anew = { ...captured, memory: await nameOf("written") };
  expect(await cellNamed("written").recordHeartbeat("a", anew)).toMatchObject({ ok: true });
  expect(await cellNamed("written").recordHeartbeat("a", anew)).toMatchObject({ ok: false, code: "stale_heartbeat" });
});

it("knows the newest run, and which run has proven itself, after its memory was lost [T5 T6]", async () => {
  const heard = async (runId: string, sequence: number) =>
    await cellNamed("runs").recordHeartbeat("a", { ...beat, runId, sequence, memory: await nameOf("runs") });
  await cellNamed("runs").joinHost(guarded, "token-1");
  expect(await heard("run-old-1", 1)).toMatchObject({ ok: true, prove: { id: "a" } });
  expect(await heard("run-new-1", 1)).toMatchObject({ ok: true, prove: { id: "a" } });
  await cellNamed("runs").proveHost("a", "run-new-1");
  await evictDurableObject(cellNamed("runs"));
  expect(await heard("run-old-1", 50)).toEqual({ ok: false, code: "stale_heartbeat" });
  expect(await heard("run-new-1", 2)).toMatchObject({ ok: true, answer: { unproven: false } });
});

it("lets a host that joins again prove itself anew, and forgets all of one that is removed [T4]", async () => {
  const cell = cellNamed("again");
  await cell.joinHost(guarded, "token-1");
  const heard = async (sequence: number) =>
    await cellNamed("again").recordHeartbeat("a", { ...beat, sequence, memory: await nameOf("again") });
  await heard(1);
  await cell.proveHost("a", beat.runId);
  expect(await heard(2)).toMatchObject({ ok: true, answer: { unproven: false } });
  await cell.joinHost({ ...guarded, url: "https://other.example.com" }, "token-2");
  await evictDurableObject(cell);
  expect(await heard(3)).toMatchObject({ ok: true, prove: { url: "https://other.example.com" } });
  await cell.removeHost("a");
  expect(await cell.recordHeartbeat("a", beat)).toEqual({ ok: false, code: "unknown_host" });
});

it("tells a tenant of its own requests and usage alone [T19]", async () => {
  const cell = cellNamed("private");
  await cell.joinHost(registration, "token-1");
  await cell.recordHeartbeat("a", { ...beat, models: [onDisk] });
  const of = (tenant: string) => ({ requestId: `by-${tenant}`, principal: { ...request.principal, tenant } });
  const leases = [await lease(cell, of("alice")), await lease(cell, of("bob"))];
  const finished = leases.map(({ id }) => ({ id, model: MODEL, outcome: "served" as const, totalMs: 1 }));
  await cell.recordHeartbeat("a", { ...beat, sequence: 2, models: [onDisk], finished });
  expect(await cell.readRequest("by-alice", "alice")).toMatchObject({ tenant: "alice" });
  expect(await cell.readRequest("by-alice", "bob")).toBeUndefined();
  expect(await cell.readRequest("by-alice", "")).toBeUndefined();
  const usage = async (tenant?: string) =>
    (await cell.readUsage({ sinceDay: "2020-01-01", tenant })).map((row) => row.tenant);
  expect(await usage("alice")).toEqual(["alice"]);
  expect(await usage("%")).toEqual([]);
  expect(await usage()).toEqual(["alice", "bob"]);
});

it("offers no model that runs elsewhere, whatever it is called [T25]", async () => {
  const cell = cellNamed("remote");
  await cell.joinHost(registration, "token-1");
  const stub = { ...onDisk, name: "innocent", remote: true, remoteHost: "https://evil.example", remoteModel: "m" };
  await cell.recordHeartbeat("a", { ...beat, models: [onDisk, stub, { ...onDisk, name: "x:cloud" }] });
  const listed = await cell.readCatalog({ pool: "default" });
  expect(listed?.models.filter(({ name }) => name !== "x:cloud").map(({ name }) => name)).toEqual(["m"]);
  const asked = { ...request, model: "registry.ollama.ai/library/innocent:latest" };
  expect(await cell.acquireLease(asked)).toMatchObject({ ok: false, refusal: { code: "unknown_model" } });
  const cloud = { ...request, requestId: "r2", model: "registry.ollama.ai/library/x:latest" };
  expect(await cell.acquireLease(cloud)).toMatchObject({ ok: false, refusal: { code: "unknown_model" } });
});

it("knows tenants and models by their names, whatever JavaScript means by them [T19]", async () => {
  const cell = cellNamed("names");
  await cell.joinHost(registration, "token-1");
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
  await cell.recordHeartbeat("a", {
    ...beat,
    slots: 8,
    parallel: 8,
    models: names.map((name) => ({ ...onDisk, name })),
  });
  const finished: Heartbeat["finished"] = [];
  for (const name of names) {
    const model = `registry.ollama.ai/library/${name.toLowerCase()}:latest`;
    const principal = { ...request.principal, tenant: name, limits: { rpm: 1, concurrent: 5, tokensPerDay: 100 } };
    const { id } = await lease(cell, { requestId: `by-${name}`, principal, model });
    expect(await cell.acquireLease({ ...request, requestId: `again-${name}`, principal, model })).toMatchObject({
      ok: false,
      refusal: { code: "tenant_limited" },
    });
    finished.push({ id, model, outcome: "served", totalMs: 1, promptTokens: 7 });
  }
  await cell.recordHeartbeat("a", { ...beat, sequence: 2, finished });
  for (const tenant of names)
    expect(await cell.readUsage({ sinceDay: "2020-01-01", tenant })).toMatchObject([{ tenant, promptTokens: 7 }]);
  expect(Object.keys((await cell.readFleet()).calls ?? {}).toSorted()).toContain("acquire");
});

it("lets no tenant make hosts load again and again, by models, options or unloading [T22]", async () => {
  const cell = cellNamed("loads");
  await cell.joinHost(registration, "token-1");
  const models = ["m", "n"].map((name) => ({ ...onDisk, name }));
  await cell.recordHeartbeat("a", { ...beat, slots: 8, parallel: 8, models });
  const principal = { ...request.principal, tenant: "thrash", limits: { loads: 1 } };
  const ask = async (requestId: string, part: Partial<LeaseRequest>) => {
    const answer = await cell.acquireLease({ ...request, requestId, principal, ...part });
    return answer.ok ? "granted" : answer.refusal.code;
  };
  expect(await ask("1", {})).toBe("granted");
  expect(await ask("2", { model: MODEL.replace("/m:", "/n:") })).toBe("tenant_limited");
  expect(await ask("3", { runner: "num_ctx=512" })).toBe("tenant_limited");
  expect(await ask("4", { unloads: true })).toBe("tenant_limited");
  // What is being loaded already costs nobody another load, and another tenant has its own.
  expect(await ask("5", {})).toBe("granted");
  const other = { ...principal, tenant: "other" };
  const shortly = { deadlineAt: Date.now() + 500 };
  expect(await ask("6", { runner: "num_ctx=512", principal: other, ...shortly })).not.toBe("tenant_limited");
});
