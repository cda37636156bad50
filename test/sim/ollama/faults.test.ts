// The faults that the simulated host can be told to have, as a client sees them.
import { describe, expect, it, vi } from "vitest";
import { simulatedModel } from "../../../src/sim/ollama/machine/model.ts";
import { HANG, post, postJson, postLines, says, sendRaw, startHost } from "./support.ts";

const CHAT = { model: "tiny", messages: says("hi"), options: { num_predict: 6 } };
const CRASHED = "an error was encountered while running the model: unexpected EOF";

async function readAll(response: Response): Promise<{ text: string; broken: boolean }> {
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const piece of response.body ?? []) text += decoder.decode(piece as Uint8Array, { stream: true });
    return { text, broken: false };
  } catch {
    return { text, broken: true };
  }
}

describe("connections", () => {
  it("are refused until the faults are cleared, and the port stays the same", async () => {
    await using host = await startHost();
    await host.setFault({ kind: "refuse" });
    await expect(post(host, "/api/chat", CHAT)).rejects.toMatchObject({ cause: { code: "ECONNREFUSED" } });
    await host.clearFaults();
    expect((await post(host, "/api/chat", CHAT)).status).toBe(200);
  });

  it("are reset before any header", async () => {
    await using host = await startHost();
    await host.setFault({ kind: "reset", times: 1 });
    await expect(post(host, "/api/chat", CHAT)).rejects.toMatchObject({ cause: { code: "ECONNRESET" } });
    expect((await post(host, "/api/chat", CHAT)).status).toBe(200);
  });
});

describe("a host that hangs", () => {
  it("sends no header at all, and frees the slot when the client leaves", async () => {
    await using host = await startHost();
    await host.setFault({ kind: "hang", afterTokens: 0 });
    const leave = new AbortController();
    const request = post(host, "/api/chat", CHAT, leave.signal);
    await vi.waitFor(() => expect(host.requests).toHaveLength(1), HANG);
    leave.abort();
    await expect(request).rejects.toThrow();
    await vi.waitFor(() => expect(host.gauges()).toMatchObject({ activeGenerations: 0, aborted: 1 }), HANG);
  });

  it("falls silent after so many tokens", async () => {
    await using host = await startHost();
    await host.setFault({ kind: "hang", afterTokens: 2 });
    const leave = new AbortController();
    const response = await post(host, "/api/chat", CHAT, leave.signal);
    let text = "";
    const reading = (async () => {
      for await (const piece of response.body ?? []) text += Buffer.from(piece as Uint8Array).toString();
    })();
    await vi.waitFor(() => expect(text.split("\n")).toHaveLength(3), HANG);
    expect(host.gauges().activeGenerations).toBe(1);
    leave.abort();
    await expect(reading).rejects.toThrow();
  });
});

describe("a host that dies", () => {
  it("breaks the connection off in the middle of the stream", async () => {
    await using host = await startHost();
    await host.setFault({ kind: "die", atToken: 3, times: 1 });
    const { text, broken } = await readAll(await post(host, "/api/chat", CHAT));
    expect(broken).toBe(true);
    expect(text).not.toContain('"done":true');
    await vi.waitFor(() => expect(host.gauges()).toMatchObject({ activeGenerations: 0, aborted: 0 }), HANG);
    expect(host.requests[0]).toMatchObject({ finished: false, closedByClient: false });
    expect((await postLines(host, "/api/chat", CHAT)).at(-1)).toMatchObject({ done: true });
  });
});

describe("a runner that crashes", () => {
  it("ends a native stream with an error record", async () => {
    await using host = await startHost();
    await host.setFault({ kind: "crash", atToken: 2 });
    const records = await postLines(host, "/api/chat", CHAT);
    expect(records).toHaveLength(3);
    expect(records[2]).toEqual({ error: CRASHED });
  });

  it("ends the other streams as Ollama does: an empty chunk, or nothing", async () => {
    await using host = await startHost();
    await host.setFault({ kind: "crash", atToken: 2 });
    const openai = await (await post(host, "/v1/chat/completions", { ...CHAT, stream: true })).text();
    expect(openai).toMatch(/"model":"",.*"delta":\{"content":""\},"finish_reason":null\}\]\}\n\n$/);
    const anthropic = await (await post(host, "/v1/messages", { ...CHAT, max_tokens: 9, stream: true })).text();
    expect(anthropic).not.toContain("message_stop");
    expect(anthropic).not.toContain("error");
  });

  it("is an error before the first byte, and for a whole answer", async () => {
    await using host = await startHost();
    await host.setFault({ kind: "crash", atToken: 0, times: 1 });
    const early = await post(host, "/api/chat", CHAT);
    expect(early.status).toBe(500);
    expect(await early.text()).toContain("model runner has unexpectedly stopped");
    await host.setFault({ kind: "crash", atToken: 2, times: 1 });
    const whole = await post(host, "/api/chat", { ...CHAT, stream: false });
    expect([whole.status, await whole.json()]).toEqual([500, { error: CRASHED }]);
  });

  it("takes all its requests along, and is loaded anew for the next one", async () => {
    await using host = await startHost({ slots: 2 }, { decodeTokensPerSecond: 100 });
    const bystander = postLines(host, "/api/chat", { ...CHAT, options: { num_predict: 1000 } });
    await vi.waitFor(() => expect(host.gauges().activeGenerations).toBe(1), HANG);
    await host.setFault({ kind: "crash", atToken: 1, times: 1 });
    await postLines(host, "/api/chat", CHAT);
    expect((await bystander).at(-1)).toEqual({ error: CRASHED });
    expect((await postLines(host, "/api/chat", CHAT)).at(-1)).toMatchObject({ done: true });
    expect(host.gauges().loads).toBe(2);
  });
});

describe("wrong frames", () => {
  it("cut a record in half", async () => {
    await using host = await startHost();
    await host.setFault({ kind: "frames", frames: "bad_json" });
    const lines = (await (await post(host, "/api/chat", CHAT)).text()).split("\n");
    expect(() => JSON.parse(lines[0] ?? "") as unknown).not.toThrow();
    expect(() => JSON.parse(lines[1] ?? "") as unknown).toThrow(SyntaxError);
  });

  it("end cleanly without the last record", async () => {
    await using host = await startHost();
    await host.setFault({ kind: "frames", frames: "missing_done" });
    const records = await postLines(host, "/api/chat", CHAT);
    expect(records).toHaveLength(6);
    expect(records.every((record) => record["done"] === false)).toBe(true);
  });

  it.each(["split_utf8", "single_bytes"] as const)("%s change the chunks and nothing else", async (frames) => {
    await using host = await startHost();
    const body = JSON.stringify({ ...CHAT, options: { num_predict: 60 } });
    const request = { method: "POST", path: "/api/chat", body };
    const plain = await sendRaw(host.port, request);
    await host.setFault({ kind: "frames", frames });
    const framed = await sendRaw(host.port, request);
    const writes = frames === "single_bytes" ? Buffer.byteLength(framed.body) : (plain.chunks?.length ?? 0) + 1;
    expect(framed.chunks?.length).toBeGreaterThanOrEqual(writes);
    const said = (answer: string): unknown[] => answer.match(/"content":"[^"]*"/g) ?? [];
    expect(said(framed.body)).toEqual(said(plain.body));
  });

  it("are an error under status 200", async () => {
    await using host = await startHost();
    await host.setFault({ kind: "frames", frames: "error_first" });
    const response = await post(host, "/api/chat", CHAT);
    expect(response.status).toBe(200);
    expect(await response.json()).toHaveProperty("error");
  });
});

describe("errors on demand", () => {
  it("are a load that fails with Ollama's text, or one's own", async () => {
    await using host = await startHost();
    await host.setFault({ kind: "load_failure", times: 1 });
    const response = await post(host, "/v1/chat/completions", CHAT);
    expect(response.status).toBe(500);
    expect(await response.text()).toContain("model requires more system memory");
    await host.setFault({ kind: "load_failure", message: "llama runner terminated", times: 1 });
    expect(await postJson(host, "/api/chat", CHAT)).toEqual({ error: "llama runner terminated" });
    expect((await post(host, "/api/chat", CHAT)).status).toBe(200);
  });

  it("are a busy host", async () => {
    await using host = await startHost();
    await host.setFault({ kind: "busy", times: 1 });
    expect((await post(host, "/api/chat", CHAT)).status).toBe(503);
  });
});

describe("a fault", () => {
  it("strikes inference alone, unless it names an endpoint", async () => {
    await using host = await startHost();
    await host.setFault({ kind: "busy" });
    expect((await fetch(`${host.url}/api/tags`)).status).toBe(200);
    await host.clearFaults();
    await host.setFault({ kind: "busy", endpoint: "/api/tags", times: 1 });
    expect((await post(host, "/api/chat", CHAT)).status).toBe(200);
    expect((await fetch(`${host.url}/api/tags`)).status).toBe(503);
    expect((await fetch(`${host.url}/api/tags`)).status).toBe(200);
  });

  it("strikes one model alone, however it is spelled", async () => {
    await using host = await startHost({ models: [simulatedModel({ name: "a" }), simulatedModel({ name: "b" })] });
    await host.setFault({ kind: "busy", model: "library/A:latest" });
    expect((await post(host, "/api/chat", { ...CHAT, model: "b" })).status).toBe(200);
    expect((await post(host, "/api/chat", { ...CHAT, model: "a" })).status).toBe(503);
  });

  it("strikes as often as it was told", async () => {
    await using host = await startHost();
    await host.setFault({ kind: "busy", times: 2 });
    const statuses: number[] = [];
    for (let turn = 0; turn < 3; turn++) statuses.push((await post(host, "/api/chat", CHAT)).status);
    expect(statuses).toEqual([503, 503, 200]);
  });
});
