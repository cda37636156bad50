// A cloned machine: two agents with one identity behind one tunnel, whose connectors take requests in turn.
import { cp } from "node:fs/promises";
import { createServer, request as httpRequest } from "node:http";
import type { Server } from "node:http";
import { afterEach, beforeEach, expect, it } from "vitest";
import { issueJoinToken } from "../../src/auth/join-token.ts";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { startSimulatedOllama } from "../../src/sim/ollama/server.ts";
import type { SimulatedOllama } from "../../src/sim/ollama/server.ts";
import { eventually, freePort, readKeys, startFleet, startHive } from "../support/fleet.ts";
import type { RunningProcess, TestFleet } from "../support/fleet.ts";

let fleet: TestFleet;
let ollama: SimulatedOllama;
let tunnel: Server;
let agents: RunningProcess[] = [];

beforeEach(async () => {
  fleet = await startFleet();
  ollama = await startSimulatedOllama({ models: [simulatedModel({ name: "llama3.2" })] });
});
afterEach(async () => {
  await Promise.all(agents.map(async (agent) => await agent.stop("SIGKILL")));
  agents = [];
  tunnel.closeAllConnections();
  tunnel.close();
  await ollama.close();
  await fleet.close();
});

/** Takes requests to the ports in turn; answers with where the tunnel listens. */
async function openTunnel(ports: readonly number[]): Promise<{ port: number; answered: number[] }> {
  const answered: number[] = [];
  let turn = 0;
  tunnel = createServer((incoming, outgoing) => {
    turn += 1;
    const { method, url, headers } = incoming;
    const onward = httpRequest({ host: "127.0.0.1", port: ports[turn % ports.length], method, path: url, headers });
    onward.on("response", (answer) => {
      answered.push(answer.statusCode ?? 0);
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on("error", () => outgoing.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => tunnel.listen(0, "127.0.0.1", resolve));
  const address = tunnel.address();
  return { port: typeof address === "object" && address !== null ? address.port : 0, answered };
}

async function startTwin(port: number, state: string, join?: string): Promise<void> {
  const flags = [
    "--edge",
    fleet.url,
    "--ollama",
    ollama.url,
    "--listen",
    `127.0.0.1:${String(port)}`,
    "--state",
    state,
  ];
  const ready = "agent: ready";
  agents.push(await startHive(["agent", ...flags, ...(join === undefined ? [] : ["--join", join])], ready));
}

it("lets the newest run win: the other answers 421, no client notices, and operators are told [T6]", async () => {
  const ports = [await freePort(), await freePort()] as const;
  const { port, answered } = await openTunnel(ports);
  const url = `http://127.0.0.1:${String(port)}`;
  const keys = await readKeys(fleet.stateDir);
  const invitation = { hostId: "cloned", url, pool: "default", region: "any" };
  const join = await issueJoinToken(keys, invitation, { issuer: "hive", now: Date.now() });
  const [first, second] = [`${fleet.stateDir}/first`, `${fleet.stateDir}/second`];
  await startTwin(ports[0], first, join);
  const before = (await fleet.host("cloned")).runId;
  await cp(first, second, { recursive: true });
  await startTwin(ports[1], second);

  await eventually("the newest run has proven itself", async () => {
    const host = await fleet.host("cloned");
    return host.runId !== before && !host.unproven;
  });
  for (let time = 0; time < 6; time += 1) {
    const response = await fetch(`${fleet.url}/api/chat`, {
      method: "POST",
      headers: { authorization: `Bearer ${fleet.token}` },
      body: '{"model":"llama3.2","messages":[{"role":"user","content":"hi"}],"stream":false}',
    });
    expect(response.status).toBe(200);
    await response.body?.cancel();
  }
  expect(answered).toContain(421);
  expect((await fleet.host("cloned")).rivalHeardAgoMs).toBeLessThan(60_000);
  await eventually("the loser says so", () => agents[0]?.lines.some((line) => line.includes("identity")) === true);
});
