// Models managed over two cells: every holder is reached wherever it is, and copies are counted over all of them.
import { afterAll, beforeAll, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

let fleet: TestFleet;
let token: string;

beforeAll(async () => {
  fleet = await startFleet({ CELLS: "default:weur, default:enam" });
  const registry = ["wanted", "rare"].map((name) => simulatedModel({ name, sizeBytes: 1_000_000 }));
  const models = [simulatedModel({ name: "everywhere" })];
  for (const [id, region] of [
    ["eu", "weur"],
    ["us1", "enam"],
    ["us2", "enam"],
  ] as const)
    await fleet.addHost(id, { models, registry }, 1, { region });
  token = await fleet.clientToken({ scope: ["inference", "manage"], hosts: true });
});
afterAll(async () => await fleet.close());

async function manage(method: string, path: string, body: object, headers: Record<string, string> = {}) {
  const response = await fetch(`${fleet.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "hive-region": "weur", ...headers },
    body: JSON.stringify(body),
  });
  const last = (await response.text()).trimEnd().split("\n").at(-1) ?? "";
  return { status: response.status, hosts: response.headers.get("hive-hosts")?.split(",").toSorted(), last };
}

function holdersOf(name: string): string[] {
  const isIt = (model: { readonly name: string }) => model.name.includes(name);
  return fleet.hosts.filter(({ ollama }) => ollama.models().some(isIt)).map(({ id }) => id);
}

async function loadedAt(): Promise<string[]> {
  const rows = fleet.hosts.map(async ({ id, ollama }) => {
    const ps = (await (await fetch(`${ollama.url}/api/ps`)).json()) as { models: unknown[] };
    return ps.models.length > 0 ? [id] : [];
  });
  return (await Promise.all(rows)).flat();
}

async function listed(region: string): Promise<string[]> {
  const headers = { authorization: `Bearer ${token}`, "hive-region": region };
  const tags = (await (await fetch(`${fleet.url}/api/tags`, { headers })).json()) as { models: { name: string }[] };
  return tags.models.map(({ name }) => name).toSorted();
}

const DONE = '{"status":"success"}';

it("pulls what nobody has to the nearest cell, and says so everywhere at once", async () => {
  expect(await manage("POST", "/api/pull", { model: "wanted" })).toEqual({ status: 200, hosts: ["eu"], last: DONE });
  expect(holdersOf("wanted")).toEqual(["eu"]);
  expect(await listed("enam")).toEqual(["everywhere:latest", "wanted:latest"]);
});

it("pulls anew to every holder wherever it is, and to named hosts of several cells", async () => {
  const fromAfar = await manage("POST", "/api/pull", { model: "wanted" }, { "hive-region": "enam" });
  expect(fromAfar).toEqual({ status: 200, hosts: ["eu"], last: DONE });
  const named = await manage("POST", "/api/pull", { model: "wanted" }, { "hive-hosts": "eu,us1" });
  expect(named).toEqual({ status: 200, hosts: ["eu", "us1"], last: DONE });
  expect(holdersOf("wanted")).toEqual(["eu", "us1"]);
});

it("counts copies over all cells, and goes on to the next where the nearest has too few hosts", async () => {
  const three = await manage("POST", "/api/pull", { model: "rare" }, { "hive-copies": "3" });
  expect(three).toEqual({ status: 200, hosts: ["eu", "us1", "us2"], last: DONE });
  expect(holdersOf("rare")).toEqual(["eu", "us1", "us2"]);
  const four = await manage("POST", "/api/pull", { model: "rare" }, { "hive-copies": "4" });
  expect([four.status, four.last]).toEqual([400, expect.stringContaining("4 copies are wanted and 3 host(s)")]);
});

it("loads at as many hosts as are wanted, of several cells, and unloads at all of them", async () => {
  const loaded = await manage("POST", "/api/generate", { model: "rare" }, { "hive-copies": "3" });
  expect([loaded.status, loaded.hosts]).toEqual([200, ["eu", "us1", "us2"]]);
  expect(await loadedAt()).toEqual(["eu", "us1", "us2"]);
  const most = await manage("POST", "/api/generate", { model: "rare" }, { "hive-copies": "4" });
  expect([most.status, await loadedAt()]).toEqual([400, ["eu", "us1", "us2"]]);
  expect((await manage("POST", "/api/generate", { model: "rare", keep_alive: 0 })).status).toBe(200);
  expect(await loadedAt()).toEqual([]);
});

it("copies and deletes at every holder of every cell, and forgets it at once", async () => {
  const copied = await manage("POST", "/api/copy", { source: "wanted", destination: "second" });
  expect([copied.status, copied.hosts]).toEqual([200, ["eu", "us1"]]);
  expect(holdersOf("second")).toEqual(["eu", "us1"]);
  for (const model of ["wanted", "second", "rare"]) {
    const removed = await manage("DELETE", "/api/delete", { model }, { "hive-region": "enam" });
    expect(removed.status, model).toBe(200);
    expect(holdersOf(model)).toEqual([]);
  }
  for (const region of ["weur", "enam"]) expect(await listed(region)).toEqual(["everywhere:latest"]);
  expect((await manage("DELETE", "/api/delete", { model: "wanted" })).status).toBe(404);
});
