// Answers that take longer to begin than a client waits for a header: begun with 200 and space, and every client still gets them.
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { runHive } from "../cli/run-hive.ts";
import { REAL_CLIENTS } from "../support/clients/all.ts";
import { refusalOf } from "../support/clients/client.ts";
import type { RealClient } from "../support/clients/client.ts";
import { eventually, startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

const EARLY_COMMIT_MS = 100;
const KEEP_ALIVE_MS = 50;
/** `ponderous` takes longer than EARLY_COMMIT to read a prompt, `heavy` to be loaded. */
const models = [
  simulatedModel({ name: "ponderous", capabilities: ["completion", "embedding"], prefillTokensPerSecond: 40 }),
  simulatedModel({ name: "heavy", capabilities: ["embedding"], loadMs: 400 }),
  simulatedModel({ name: "weighty", loadMs: 600 }),
];
/** Takes half a second to be pulled. */
const registry = [simulatedModel({ name: "wanted", sizeBytes: 4_000_000 })];
const FAILED = /model runner has unexpectedly stopped|model requires more system memory/;

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await startFleet({ EARLY_COMMIT: `${EARLY_COMMIT_MS}ms`, KEEP_ALIVE: `${KEEP_ALIVE_MS}ms` });
  await fleet.addHost("a", { models, registry, pullBytesPerSecond: 8_000_000, slots: 4 }, 4);
});
afterEach(async () => await fleet.hosts[0]?.ollama.clearFaults());
afterAll(async () => await fleet.close());

let asked = 0;
/** Words that no cache knows: each prompt is read from its first one on. */
function freshPrompt(): string {
  asked += 1;
  return Array.from({ length: 12 }, (_, at) => `${asked}word${at}`).join(" ");
}

async function post(path: string, body: object): Promise<Response> {
  return await fetch(`${fleet.url}${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${fleet.token}` },
    body: JSON.stringify({ model: "ponderous", ...body }),
  });
}

function bodyOf(path: string, stream: boolean): object {
  if (path.endsWith("embed")) return { input: freshPrompt() };
  if (path.endsWith("embeddings")) return { input: freshPrompt(), encoding_format: "float" };
  if (path === "/v1/responses") return { input: freshPrompt(), stream };
  return { messages: [{ role: "user", content: freshPrompt() }], max_tokens: 20, stream };
}

const CASES = [
  { path: "/api/chat", stream: true, type: "application/x-ndjson", begins: /^ +\{"model"/ },
  { path: "/api/chat", stream: false, type: "application/json; charset=utf-8", begins: /^ +\{"model"/ },
  { path: "/api/embed", stream: false, type: "application/json; charset=utf-8", begins: /^ +\{"model"/ },
  { path: "/v1/embeddings", stream: false, type: "application/json; charset=utf-8", begins: /^ +\{"object"/ },
  { path: "/v1/chat/completions", stream: true, type: "text/event-stream", begins: /^(:[^\n]*\n\n)+data: \{"id"/ },
  { path: "/v1/chat/completions", stream: false, type: "application/json; charset=utf-8", begins: /^ +\{"id"/ },
  { path: "/v1/responses", stream: true, type: "text/event-stream", begins: /^(:[^\n]*\n\n)+event: response.created/ },
  { path: "/v1/messages", stream: true, type: "text/event-stream", begins: /^(:[^\n]*\n\n)+event: message_start/ },
  { path: "/v1/messages", stream: false, type: "application/json; charset=utf-8", begins: /^ +\{"id"/ },
] as const;

describe.each(CASES)("$path, stream $stream", ({ path, stream, type, begins }) => {
  it("begins with 200 and what no reader sees, and goes on with the answer", async () => {
    const sentAt = performance.now();
    const response = await post(path, bodyOf(path, stream));
    const begunMs = performance.now() - sentAt;
    const text = await response.text();
    expect(begunMs).toBeGreaterThanOrEqual(EARLY_COMMIT_MS);
    expect([response.status, response.headers.get("content-type")]).toEqual([200, type]);
    expect(response.headers.get("hive-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    expect(response.headers.get("hive-status")).toBe("waiting");
    expect(text).toMatch(begins);
    if (!stream) expect(JSON.parse(text)).toBeTypeOf("object");
  });

  it("tells a failure that comes later in the protocol's own record", async () => {
    await fleet.hosts[0]?.ollama.setFault({ kind: "crash", atToken: 0 });
    await fleet.hosts[0]?.ollama.setFault({ kind: "load_failure", model: "heavy" });
    const model = path.includes("embed") ? { model: "heavy" } : {};
    const response = await post(path, { ...bodyOf(path, stream), ...model });
    expect(response.status).toBe(200);
    const text = (await response.text()).trimEnd();
    const last = stream ? (text.split("\n").at(-1) ?? "") : text;
    expect(JSON.stringify(JSON.parse(last.replace(/^data: /, "")))).toMatch(FAILED);
  });
});

it("begins the answer to a pull that is not streamed with 200 and space", async () => {
  const token = await fleet.clientToken({ scope: ["inference", "manage"] });
  const response = await fetch(`${fleet.url}/api/pull`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ model: "wanted", stream: false }),
  });
  const text = await response.text();
  expect([response.status, text.startsWith(" ")]).toEqual([200, true]);
  expect(JSON.parse(text)).toEqual({ status: "success" });
});

it("is read to its end by `hive model load`, which else would take a failure for a success", async () => {
  const load = async () => await runHive(["model", "load", "weighty", "--edge", fleet.url, "--state", fleet.stateDir]);
  await fleet.hosts[0]?.ollama.setFault({ kind: "load_failure", model: "weighty", times: 1 });
  const failed = await load();
  expect([failed.code, failed.errors.at(-1)]).toEqual([1, expect.stringMatching(FAILED)]);
  const loaded = await load();
  expect([loaded.code, loaded.errors.at(-1)]).toEqual([0, "weighty is loaded"]);
});

it.each([true, false])(
  "frees every slot when the client leaves an answer that was begun early, stream %s",
  async (stream) => {
    const leaving = new AbortController();
    const prompt = Array.from({ length: 60 }, () => freshPrompt()).join(" ");
    const response = await fetch(`${fleet.url}/api/generate`, {
      method: "POST",
      headers: { authorization: `Bearer ${fleet.token}` },
      body: JSON.stringify({ model: "ponderous", prompt, stream }),
      signal: leaving.signal,
    });
    const ollama = fleet.hosts[0]?.ollama;
    await eventually("Ollama reads the prompt", () => ollama?.gauges().activeGenerations === 1);
    await response.body?.getReader().read();
    leaving.abort();
    const free = async () => (await fleet.readFleet()).activeLeases === 0 && ollama?.gauges().activeGenerations === 0;
    await eventually("every slot is free", free, 2_000);
  },
);

describe.each(REAL_CLIENTS.map((client) => [client.name, client] as const))("%s", (_name, client: RealClient) => {
  const straight = () => ({ url: fleet.hosts[0]?.ollama.url ?? "", token: "none" });
  const hive = () => ({ url: fleet.url, token: fleet.token });

  it.each(["whole", "streamed"] as const)("gets its answer %s", async (how) => {
    const chat = { model: "ponderous", prompt: freshPrompt() };
    const sentAt = performance.now();
    const said = await client[how](hive(), chat);
    expect(performance.now() - sentAt).toBeGreaterThan(EARLY_COMMIT_MS);
    expect(said).toEqual(await client[how](straight(), chat));
  });

  it("gets no answer out of a failure that comes later, and is told of it in a stream", async () => {
    await fleet.hosts[0]?.ollama.setFault({ kind: "crash", atToken: 0 });
    const chat = () => ({ model: "ponderous", prompt: freshPrompt() });
    const told = await refusalOf(client.streamed(hive(), chat()));
    if (client.dropsErrorRecords !== true) expect(told).toMatch(FAILED);
    const text = await client.whole(hive(), chat()).then(
      (said) => said.text,
      () => undefined,
    );
    expect(text ?? "").toBe("");
  });
});
