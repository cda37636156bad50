// Three cells on one workerd: requests go to the nearest cell that can serve, spill to the next, and the fleet is one.
// Plain workerd does not tell where a client stands; the header `hive-region`, which counts only there, says it.
import { afterAll, beforeAll, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { runHive } from "../cli/run-hive.ts";
import { eventually, startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

const everywhere = simulatedModel({ name: "everywhere" });
const slow = simulatedModel({ name: "slow", decodeTokensPerSecond: 10 });
const american = simulatedModel({ name: "american" });
let fleet: TestFleet;

beforeAll(async () => {
  fleet = await startFleet({ CELLS: "default:weur, default:enam, default:apac" });
  await fleet.addHost("eu", { models: [everywhere, slow] }, 1, { region: "weur" });
  await fleet.addHost("us", { models: [everywhere, slow, american] }, 1, { region: "enam" });
  await fleet.addHost("ap", { models: [everywhere] }, 1, { region: "apac-se" });
});
afterAll(async () => await fleet.close());

async function chat(region: string, model = "everywhere", extra: object = {}): Promise<Response> {
  return await fetch(`${fleet.url}/api/chat`, {
    method: "POST",
    headers: { authorization: `Bearer ${fleet.token}`, "hive-region": region },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "hi" }], stream: false, ...extra }),
  });
}

async function hostOf(answer: Promise<Response>): Promise<string> {
  const { status, headers } = await answer;
  return status === 200 ? (headers.get("hive-host") ?? "") : `status ${status}`;
}

/** Calls of a verb so far, by cell. */
async function callsOf(verb: string): Promise<number[]> {
  return ((await fleet.readFleet()).cells ?? []).map(({ calls }) => calls?.[verb] ?? 0);
}

it("serves a client from the cell of its region, or else from the nearest", async () => {
  // A host that has just joined serves once its address is proved.
  await eventually("the last host serves", async () => (await hostOf(chat("apac-se"))) === "ap");
  expect(await hostOf(chat("weur"))).toBe("eu");
  expect(await hostOf(chat("enam"))).toBe("us");
  expect(await hostOf(chat("apac-ne"))).toBe("ap");
  expect(await hostOf(chat("wnam"))).toBe("us");
  expect(await hostOf(chat("eeur"))).toBe("eu");
});

it("shows all cells as one fleet", async () => {
  const view = await fleet.readFleet();
  expect(view.hosts.map(({ id, cell, region }) => [id, cell, region])).toEqual([
    ["eu", "cell:default:weur", "weur"],
    ["us", "cell:default:enam", "enam"],
    ["ap", "cell:default:apac", "apac-se"],
  ]);
  expect(view.cells?.map(({ name, reachable, hosts }) => [name, reachable, hosts])).toEqual([
    ["cell:default:weur", true, 1],
    ["cell:default:enam", true, 1],
    ["cell:default:apac", true, 1],
  ]);
  const listed = await runHive(["fleet", "view", "--edge", fleet.url, "--state", fleet.stateDir]);
  for (const name of ["eu", "us", "ap", "cell:default:weur", "cell:default:apac"])
    expect(listed.stdout).toContain(name);
});

it("lists, shows and counts the models of all cells to a client anywhere", async () => {
  const headers = { authorization: `Bearer ${fleet.token}`, "hive-region": "oc" };
  const tags = (await (await fetch(`${fleet.url}/api/tags`, { headers })).json()) as { models: { name: string }[] };
  expect(tags.models.map(({ name }) => name).toSorted()).toEqual([
    "american:latest",
    "everywhere:latest",
    "slow:latest",
  ]);
  const shown = await fetch(`${fleet.url}/api/show`, { method: "POST", headers, body: '{"model":"american"}' });
  expect(shown.status).toBe(200);
  expect(await hostOf(chat("oc", "american"))).toBe("us");
  await eventually("the loaded model is listed", async () => {
    const ps = (await (await fetch(`${fleet.url}/api/ps`, { headers })).json()) as { models: { name: string }[] };
    return ps.models.some(({ name }) => name === "american:latest");
  });
});

it("sends a host's heartbeats to its own cell alone", async () => {
  const before = await callsOf("heartbeat");
  await eventually("every cell has heard its host again", async () => {
    const after = await callsOf("heartbeat");
    return after.every((count, cell) => count > (before[cell] ?? 0));
  });
  // An agent never sends two within 250 ms; three hosts at one each 500 ms would bring six within a second.
  const startedAt = Date.now();
  const [from = 0] = await callsOf("heartbeat");
  await eventually("six more", async () => ((await callsOf("heartbeat"))[0] ?? 0) >= from + 6);
  expect(Date.now() - startedAt).toBeGreaterThan(1_200);
});

it("costs one call of one cell before the first byte, and one after the last", async () => {
  await chat("weur");
  const [acquired, settled, read] = [await callsOf("acquire"), await callsOf("settle"), await callsOf("summary")];
  const startedAt = Date.now();
  for (let request = 0; request < 40; request += 1) expect(await hostOf(chat("weur"))).toBe("eu");
  const difference = async (verb: string, before: number[]) =>
    (await callsOf(verb)).map((count, cell) => count - (before[cell] ?? 0));
  expect(await difference("acquire", acquired)).toEqual([40, 0, 0]);
  await eventually("all are settled", async () => (await difference("settle", settled))[0] === 40);
  const elapsedMs = Date.now() - startedAt;
  // Summaries are read behind the requests, one of each cell each 1.5 s.
  for (const reads of await difference("summary", read)) expect(reads).toBeLessThanOrEqual(elapsedMs / 1_500 + 2);
});

it("spills to the next cell while every slot of the nearest is taken, and comes back", async () => {
  const busy = chat("weur", "slow", { options: { num_predict: 60 } });
  await eventually("the slot in Europe is taken", async () => (await fleet.host("eu")).activeLeases === 1);
  expect(await hostOf(chat("weur"))).toBe("us");
  expect(await hostOf(busy)).toBe("eu");
  await eventually("Europe serves again", async () => (await hostOf(chat("weur"))) === "eu");
});

it("lets a request wait in its region where every cell is full, rather than refuse it", async () => {
  const busy = ["weur", "enam"].map(async (region) => await chat(region, "slow", { options: { num_predict: 50 } }));
  await eventually("both slots are taken", async () => (await fleet.readFleet()).activeLeases === 2);
  expect(await hostOf(chat("weur", "slow", { options: { num_predict: 2 } }))).toBe("eu");
  expect((await Promise.all(busy)).map(({ status }) => status)).toEqual([200, 200]);
});

it("sends a pinned request to the cell of that host, wherever the operator stands", async () => {
  const headers = { authorization: `Bearer ${fleet.adminToken}`, "hive-region": "weur", "hive-host": "ap" };
  const body = JSON.stringify({ model: "everywhere", messages: [{ role: "user", content: "hi" }], stream: false });
  const answer = await fetch(`${fleet.url}/api/chat`, { method: "POST", headers, body });
  expect([answer.status, answer.headers.get("hive-host")]).toEqual([200, "ap"]);
  const unknown = { ...headers, "hive-host": "nobody" };
  expect((await fetch(`${fleet.url}/api/chat`, { method: "POST", headers: unknown, body })).status).toBe(404);
});

it("says 404 for a model that no cell has, and 503 for one whose hosts are all away", async () => {
  expect((await chat("weur", "nowhere")).status).toBe(404);
  const drain = async (verb: string) =>
    await fetch(`${fleet.url}/hive/v1/hosts/us/${verb}`, {
      method: "POST",
      headers: { authorization: `Bearer ${fleet.adminToken}` },
    });
  expect((await drain("drain")).status).toBe(200);
  await eventually("it is known everywhere", async () => (await chat("weur", "american")).status === 503);
  expect((await drain("resume")).status).toBe(200);
  await eventually("it is back", async () => (await chat("weur", "american")).status === 200);
});

it("fails no request when all hosts of the nearest cell die", async () => {
  await fleet.hosts[0]?.agent.stop("SIGKILL");
  for (let request = 0; request < 6; request += 1) expect(await hostOf(chat("weur"))).toBe("us");
  await eventually("the host counts as dead", async () => (await fleet.host("eu")).status === "dead");
  const before = await callsOf("acquire");
  await eventually("nobody asks the dead cell any more", async () => {
    const [asked = 0] = await callsOf("acquire");
    const served = await hostOf(chat("weur"));
    return served === "us" && (await callsOf("acquire"))[0] === asked;
  });
  expect((await callsOf("acquire"))[1]).toBeGreaterThan(before[1] ?? 0);
});
