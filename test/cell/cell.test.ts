// The Durable Object inside workerd: what outlives its memory, and what a join token may do once.
import { env } from "cloudflare:workers";
import { evictDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";
import type { CellRpc } from "../../src/wire/cell-rpc.ts";
import type { HostRegistration } from "../../src/wire/host.ts";
import type { Heartbeat } from "../../src/wire/heartbeat.ts";

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
  active: [{ id: "lease-1", model: "registry.ollama.ai/library/m:latest", startedAt: 1 }],
  finished: [],
};

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
  expect(await cell.recordHeartbeat("a", beat)).toMatchObject({ ok: true });
  expect(await cell.readFleet()).toMatchObject({ activeLeases: 1 });
  await evictDurableObject(cell);
  expect(await cellNamed("recount").readFleet()).toMatchObject({ activeLeases: 0, hosts: [{ status: "unheard" }] });
  const answer = await cellNamed("recount").recordHeartbeat("a", { ...beat, sequence: 2 });
  expect(answer).toMatchObject({ ok: true, answer: { resync: true } });
  expect(await cellNamed("recount").readFleet()).toMatchObject({ activeLeases: 1 });
});

it("refuses a heartbeat that comes a second time [T5]", async () => {
  const cell = cellNamed("replay");
  await cell.joinHost(registration, "token-1");
  expect(await cell.recordHeartbeat("a", beat)).toMatchObject({ ok: true });
  expect(await cell.recordHeartbeat("a", beat)).toEqual({ ok: false, code: "stale_heartbeat" });
  expect(await cell.recordHeartbeat("unknown", beat)).toEqual({ ok: false, code: "unknown_host" });
});
