// Models managed over the fleet: by Ollama's own clients, by the command line, and under other names.
import { Ollama } from "ollama";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { runHive } from "../cli/run-hive.ts";
import { eventually, startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

const remote = { host: "https://ollama.com:443", model: "far:120b" };
const stub = simulatedModel({ name: "far", remote });
const registry = ["wanted", "second", "third"].map((name) => simulatedModel({ name, sizeBytes: 4_000_000 }));
let fleet: TestFleet;
let manager: Ollama;

beforeAll(async () => {
  fleet = await startFleet({
    MODEL_ALIASES: "gpt-4o-mini=llama3.2, gpt-4=absent, whisper-1=listener, hidden=llama3.2",
    ALLOW_CLOUD_MODELS: "true",
  });
  const options = { models: [simulatedModel({ name: "llama3.2" }), stub], registry, pullBytesPerSecond: 40_000_000 };
  for (const id of ["a", "b"]) await fleet.addHost(id, options);
  const own = [
    simulatedModel({ name: "listener", capabilities: ["completion", "audio"] }),
    simulatedModel({ name: "hidden" }),
    simulatedModel({ name: "llama3.2:cloud", remote }),
  ];
  await fleet.addHost("c", { ...options, models: [...options.models, ...own] });
  const token = await fleet.clientToken({ sub: "manager", scope: ["inference", "manage"], hosts: true });
  manager = new Ollama({ host: fleet.url, headers: { authorization: `Bearer ${token}` } });
});
afterAll(async () => await fleet.close());

function holdersOf(name: string): string[] {
  const isIt = (model: { readonly name: string }) => model.name.includes(name);
  return fleet.hosts.filter(({ ollama }) => ollama.models().some(isIt)).map(({ id }) => id);
}

async function hive(...args: string[]) {
  return await runHive(["model", ...args, "--edge", fleet.url, "--state", fleet.stateDir]);
}

async function pullRaw(headers: Record<string, string>, body: object) {
  const response = await fetch(`${fleet.url}/api/pull`, {
    method: "POST",
    headers: { authorization: `Bearer ${fleet.adminToken}`, ...headers },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  const records = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { response, records };
}

describe("a pull", () => {
  it("goes to one host, with Ollama's own records", async () => {
    const statuses: string[] = [];
    for await (const { status } of await manager.pull({ model: "wanted", stream: true })) statuses.push(status);
    expect([statuses[0], statuses.at(-1)]).toEqual(["pulling manifest", "success"]);
    expect(holdersOf("wanted")).toHaveLength(1);
  });

  it("goes to as many hosts as are wanted, as one stream whose layers only grow", async () => {
    const { response, records } = await pullRaw({ "hive-copies": "3" }, { model: "wanted" });
    expect(response.headers.get("content-type")).toBe("application/x-ndjson");
    expect(response.headers.get("hive-hosts")?.split(",").toSorted()).toEqual(["a", "b", "c"]);
    expect(records.filter(({ status }) => status === "pulling manifest")).toHaveLength(1);
    expect(records.at(-1)).toEqual({ status: "success" });
    const grown = new Map<unknown, number>();
    for (const { digest, completed = 0 } of records) {
      if (digest === undefined) continue;
      expect(Number(completed)).toBeGreaterThanOrEqual(grown.get(digest) ?? 0);
      grown.set(digest, Number(completed));
    }
    expect(grown.size).toBe(2);
    expect(holdersOf("wanted")).toHaveLength(3);
  });

  it("answers once where it is not streamed, and fails as Ollama does", async () => {
    const whole = await pullRaw({ "hive-copies": "2" }, { model: "second", stream: false });
    expect([whole.response.status, whole.records]).toEqual([200, [{ status: "success" }]]);
    const missing = await pullRaw({ "hive-copies": "2" }, { model: "nowhere" });
    expect([missing.response.status, missing.records.at(-1)]).toEqual([
      200,
      { error: "pull model manifest: file does not exist" },
    ]);
    const refused = await pullRaw({ "hive-copies": "9" }, { model: "second" });
    expect(refused.response.status).toBe(400);
  });

  it("says which host has failed where others have not", async () => {
    await fleet.hosts[1]?.ollama.setFault({ kind: "reset", endpoint: "/api/pull" });
    const { records } = await pullRaw({ "hive-hosts": "a,b" }, { model: "third" });
    expect(records.at(-1)).toEqual({ error: expect.stringMatching(/^b: /) });
    await fleet.hosts[1]?.ollama.clearFaults();
    expect(holdersOf("third")).toEqual(["a"]);
  });

  it("is for tokens with the scope, and of the models they may use", async () => {
    const ask = async (token: string) =>
      (
        await fetch(`${fleet.url}/api/pull`, {
          method: "POST",
          headers: { authorization: `Bearer ${token}` },
          body: '{"model":"wanted"}',
        })
      ).status;
    expect(await ask(fleet.token)).toBe(403);
    expect(await ask(await fleet.clientToken({ scope: ["inference", "manage"], models: ["other"] }))).toBe(403);
  });
});

describe("what is built", () => {
  it("is built where its source is, and pushed from where it is", async () => {
    const statuses: string[] = [];
    const made = await manager.create({ model: "me/mine", from: "llama3.2", system: "Be brief.", stream: true });
    for await (const { status } of made) statuses.push(status);
    expect(statuses.at(-1)).toBe("success");
    expect(holdersOf("me/mine")).toHaveLength(1);
    expect((await manager.show({ model: "me/mine" })).system).toBe("Be brief.");
    const pushed: string[] = [];
    for await (const { status } of await manager.push({ model: "me/mine", stream: true })) pushed.push(status);
    expect([pushed[0], pushed.at(-1)]).toEqual(["retrieving manifest", "success"]);
    await expect(manager.push({ model: "me/absent" })).rejects.toThrow("model 'me/absent' not found");
    await manager.delete({ model: "me/mine" });
    expect(holdersOf("me/mine")).toEqual([]);
  });
});

describe("hive model", () => {
  it("pulls with the progress of each host, lists, loads, unloads and removes", async () => {
    const pulled = await hive("pull", "third", "--hosts", "b,c");
    expect([pulled.code, pulled.errors.at(-1)]).toEqual([0, "third is on b, c"]);
    expect(pulled.errors).toEqual(expect.arrayContaining(["b: pulling manifest", "c: success"]));
    expect((await hive("pull", "wanted", "--copies", "2")).code).toBe(0);
    const loaded = await hive("load", "wanted", "--copies", "2");
    expect([loaded.code, loaded.errors.at(-1)]).toEqual([0, expect.stringMatching(/^wanted is loaded on \w, \w$/)]);
    expect((await hive("list")).stdout).toMatch(/wanted:latest +\w+ +4\.0 MB +a b c +\w \w/);
    const unloaded = await hive("unload", "wanted");
    expect(unloaded.errors.at(-1)).toMatch(/^wanted is unloaded on \w, \w$/);
    const removed = await hive("remove", "wanted");
    expect([removed.code, removed.errors.at(-1)]).toEqual([0, "wanted is removed from a, b, c"]);
    expect(holdersOf("wanted")).toEqual([]);
    const gone = await hive("remove", "wanted");
    expect([gone.code, gone.errors]).toEqual([1, ["hive: model 'wanted' not found"]]);
  });

  it("says where a model stays because a host is offline", async () => {
    await fleet.hosts[2]?.ollama.setFault({ kind: "refuse" });
    await eventually("c is known to be down", async () => (await fleet.host("c")).backend === "down");
    const removed = await hive("remove", "third");
    expect([removed.code, removed.errors.at(-1)]).toEqual([1, "hive: offline, so that third is still there: c"]);
    await fleet.hosts[2]?.ollama.clearFaults();
    await eventually("c is back", async () => (await fleet.host("c")).backend === "up");
    expect(holdersOf("third")).toEqual(["c"]);
  });

  it("refuses flags that exclude each other, and hosts that are not there", async () => {
    expect((await hive("pull", "wanted", "--hosts", "a", "--copies", "2")).code).toBe(2);
    const unknown = await hive("pull", "wanted", "--hosts", "z");
    expect([unknown.code, unknown.errors]).toEqual([1, [expect.stringContaining("no such host: z")]]);
  });
});

describe("another name for a model", () => {
  it("is the model to every client, and listed where the model is there", async () => {
    const ordinary = new Ollama({ host: fleet.url, headers: { authorization: `Bearer ${fleet.token}` } });
    const messages = [{ role: "user" as const, content: "Why?" }];
    const answer = await ordinary.chat({ model: "gpt-4o-mini", messages });
    expect([answer.model, answer.message.content]).toEqual([
      "llama3.2",
      (await ordinary.chat({ model: "llama3.2", messages })).message.content,
    ]);
    const openai = new OpenAI({ baseURL: `${fleet.url}/v1`, apiKey: fleet.token });
    expect((await openai.chat.completions.create({ model: "gpt-4o-mini", messages })).choices).toHaveLength(1);
    const names = (await ordinary.list()).models.map(({ name }) => name);
    expect(names).toContain("gpt-4o-mini");
    expect(names).not.toContain("gpt-4");
    expect((await openai.models.list()).data.map(({ id }) => id)).toContain("gpt-4o-mini");
    expect((await openai.models.retrieve("gpt-4o-mini")).id).toBe("gpt-4o-mini");
    expect((await ordinary.show({ model: "gpt-4o-mini" })).capabilities).toEqual(["completion", "tools"]);
    await expect(ordinary.chat({ model: "gpt-4", messages })).rejects.toThrow("model 'gpt-4' not found");
  });

  it("is one row of a list, in its place, even where a model has that name", async () => {
    const read = async (path: string, key: "models" | "data") => {
      const answer = await fetch(fleet.url + path, { headers: { authorization: `Bearer ${fleet.token}` } });
      return ((await answer.json()) as Record<string, { name?: string; id?: string; modified_at?: string }[]>)[key];
    };
    const rows = (await read("/api/tags", "models")) ?? [];
    const order = rows.toSorted(
      (a, b) =>
        Date.parse(b.modified_at ?? "") - Date.parse(a.modified_at ?? "") || ((a.name ?? "") < (b.name ?? "") ? -1 : 1),
    );
    expect(rows.map(({ name }) => name)).toEqual(order.map(({ name }) => name));
    for (const names of [rows.map(({ name }) => name), (await read("/v1/models", "data"))?.map(({ id }) => id)])
      expect(names?.filter((name) => name === "hidden" || name === "hidden:latest")).toEqual(["hidden"]);
  });

  it("is the model for forms too, whose other bytes stay as they are", async () => {
    const openai = new OpenAI({ baseURL: `${fleet.url}/v1`, apiKey: fleet.token });
    const file = new File([new Uint8Array(3_000).map((_, at) => at)], "a.wav");
    const { text } = await openai.audio.transcriptions.create({ model: "whisper-1", file });
    expect(text).not.toBe("");
    const [asked] = fleet.hosts.flatMap(({ ollama }) =>
      ollama.requests.filter(({ url }) => url === "/v1/audio/transcriptions"),
    );
    expect(asked?.bodyText).toContain('name="model"\r\n\r\nlistener\r\n');
    await expect(openai.audio.transcriptions.create({ model: "whisper-2", file })).rejects.toThrow("not found");
  });

  it("shows what runs to whoever knows it by that name alone", async () => {
    const token = await fleet.clientToken({ models: ["gpt-4o-mini"] });
    const client = new Ollama({ host: fleet.url, headers: { authorization: `Bearer ${token}` } });
    await client.chat({ model: "gpt-4o-mini", messages: [{ role: "user", content: "hi" }] });
    expect((await client.ps()).models.map(({ name }) => name)).toEqual(["llama3.2:latest"]);
  });

  it("is open to a token for either name, and to no other", async () => {
    const ask = async (models: string[]) => {
      const headers = { authorization: `Bearer ${await fleet.clientToken({ models })}` };
      const body = JSON.stringify({ model: "gpt-4o-mini", messages: [{ role: "user", content: "hi" }], stream: false });
      return (await fetch(`${fleet.url}/api/chat`, { method: "POST", headers, body })).status;
    };
    expect([await ask(["gpt-4o-mini"]), await ask(["llama3.2"]), await ask(["other"])]).toEqual([200, 200, 403]);
  });
});

describe("a cloud model, where they are allowed", () => {
  it("is refused by a host whose cloud is off, in its own words", async () => {
    const direct = fleet.hosts[0]?.ollama.url ?? "";
    for (const model of ["far:cloud", "gpt-oss:120b-cloud", "far"]) {
      const body = JSON.stringify({ model, messages: [{ role: "user", content: "hi" }] });
      const ask = async (url: string, headers: Record<string, string>) => {
        const answer = await fetch(`${url}/api/chat`, { method: "POST", headers, body });
        return { status: answer.status, text: await answer.text() };
      };
      const expected = await ask(direct, {});
      expect(expected.status).toBe(403);
      expect(await ask(fleet.url, { authorization: `Bearer ${fleet.token}` }), model).toEqual(expected);
    }
  });

  it("is told apart from the model of that name, in lists and when it is removed", async () => {
    const openai = new OpenAI({ baseURL: `${fleet.url}/v1`, apiKey: fleet.token });
    const names = (await manager.list()).models.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["llama3.2:latest", "llama3.2:cloud"]));
    expect((await openai.models.retrieve("llama3.2")).id).toBe("llama3.2");
    await manager.delete({ model: "llama3.2:cloud" });
    expect((await manager.list()).models.map(({ name }) => name)).not.toContain("llama3.2:cloud");
    expect(holdersOf("llama3.2")).toEqual(["a", "b", "c"]);
    await expect(manager.delete({ model: "llama3.2:cloud" })).rejects.toThrow("not found");
  });

  it("is listed with what it stands for, and the status says whether any host runs such", async () => {
    const headers = { authorization: `Bearer ${fleet.token}` };
    const { models } = (await (await fetch(`${fleet.url}/api/tags`, { headers })).json()) as { models: object[] };
    expect(models).toContainEqual(
      expect.objectContaining({ name: "far:latest", remote_model: "far:120b", remote_host: "https://ollama.com:443" }),
    );
    const status = await (await fetch(`${fleet.url}/api/status`, { headers })).json();
    expect(status).toEqual({ cloud: { disabled: true, source: "config" } });
  });
});
