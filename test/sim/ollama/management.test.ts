// Models that come and go on the simulated host, and what it remembers of those who asked.
import { createHash } from "node:crypto";
import { describe, expect, it, vi } from "vitest";
import { simulatedModel } from "../../../src/sim/ollama/machine/model.ts";
import { HANG, post, postJson, postLines, says, sendRaw, startHost } from "./support.ts";

async function names(host: { url: string }): Promise<string[]> {
  const { models } = (await (await fetch(`${host.url}/api/tags`)).json()) as { models: { name: string }[] };
  return models.map(({ name }) => name);
}

async function remove(host: { url: string }, body: object): Promise<Response> {
  return fetch(`${host.url}/api/delete`, { method: "DELETE", body: JSON.stringify(body) });
}

describe("pull", () => {
  const registry = [simulatedModel({ name: "far:1b", sizeBytes: 4000 })];

  it("reports its way from manifest to success, and the model is there", async () => {
    await using host = await startHost({ registry });
    const records = await postLines(host, "/api/pull", { model: "FAR:1b" });
    expect(records[0]).toEqual({ status: "pulling manifest" });
    expect(records.slice(-3).map(({ status }) => status)).toEqual([
      "verifying sha256 digest",
      "writing manifest",
      "success",
    ]);
    const [begun, , , , done] = records.filter(({ total }) => total === 4000);
    expect(begun).not.toHaveProperty("completed");
    expect(done).toMatchObject({ completed: 4000, digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string });
    expect(begun?.["status"]).toBe(`pulling ${String(begun?.["digest"]).slice(7, 19)}`);
    expect(await names(host)).toContain("far:1b");
  });

  it("fails in the stream, or with 500 where no stream was wanted", async () => {
    await using host = await startHost({ registry });
    const text = "pull model manifest: file does not exist";
    expect(await postLines(host, "/api/pull", { name: "nope" })).toEqual([
      { status: "pulling manifest" },
      { error: text },
    ]);
    const whole = await post(host, "/api/pull", { model: "nope", stream: false });
    expect([whole.status, await whole.json()]).toEqual([500, { error: text }]);
  });

  it("stops when the client leaves, and the model is not there", async () => {
    await using host = await startHost({ registry, pullBytesPerSecond: 1 });
    const leave = new AbortController();
    const response = await post(host, "/api/pull", { model: "far:1b" }, leave.signal);
    await response.body?.getReader().read();
    leave.abort();
    await vi.waitFor(() => expect(host.gauges().aborted).toBe(1), HANG);
    expect(await names(host)).toEqual(["tiny:latest"]);
  });
});

describe("copy, create and delete", () => {
  it("copy gives a second name for the same digest", async () => {
    await using host = await startHost();
    expect((await post(host, "/api/copy", { source: "TINY", destination: "My/Copy" })).status).toBe(200);
    expect((await names(host)).toSorted()).toEqual(["My/Copy:latest", "tiny:latest"]);
    const digests = host.models().map(({ digest }) => digest);
    expect(new Set(digests).size).toBe(1);
  });

  it("delete takes a body, and takes the model away", async () => {
    await using host = await startHost();
    expect((await remove(host, { model: "Tiny:LATEST" })).status).toBe(200);
    expect(await names(host)).toEqual([]);
    expect(await (await fetch(`${host.url}/v1/models`)).json()).toEqual({ object: "list", data: null });
    expect(await (await remove(host, { name: "tiny" })).json()).toEqual({ error: "model 'tiny' not found" });
  });

  it("create makes a model of another, with a digest of its own when it says something new", async () => {
    await using host = await startHost();
    const records = await postLines(host, "/api/create", { model: "mine", from: "tiny", system: "You are a bee." });
    expect(records.at(-1)).toEqual({ status: "success" });
    await postLines(host, "/api/create", { model: "same", from: "tiny" });
    const digestOf = (name: string): string | undefined =>
      host.models().find((model) => model.name.endsWith(`/${name}:latest`) || model.name === name)?.digest;
    expect(digestOf("same")).toBe(digestOf("tiny"));
    expect(digestOf("mine")).not.toBe(digestOf("tiny"));
    expect((await postJson(host, "/api/show", { model: "mine" }))["system"]).toBe("You are a bee.");
  });

  it("create takes files whose blobs were pushed before", async () => {
    await using host = await startHost();
    const blob = "GGUF and so on";
    const digest = `sha256:${createHash("sha256").update(blob).digest("hex")}`;
    const create = { model: "filed", files: { "m.gguf": digest } };
    expect(JSON.stringify(await postLines(host, "/api/create", create))).toContain("no such file or directory");
    const path = `/api/blobs/${digest}`;
    expect((await sendRaw(host.port, { method: "HEAD", path })).status).toBe(404);
    expect((await fetch(host.url + path, { method: "POST", body: blob })).status).toBe(201);
    expect((await fetch(host.url + path, { method: "POST", body: blob })).status).toBe(200);
    expect((await sendRaw(host.port, { method: "HEAD", path })).status).toBe(200);
    expect((await postLines(host, "/api/create", create)).at(-1)).toEqual({ status: "success" });
  });

  it("blobs must be what they are said to be", async () => {
    await using host = await startHost();
    const said = `sha256:${"0".repeat(64)}`;
    const response = await fetch(`${host.url}/api/blobs/${said}`, { method: "POST", body: "x" });
    const got = `sha256:${createHash("sha256").update("x").digest("hex")}`;
    expect([response.status, await response.json()]).toEqual([
      400,
      { error: `digest mismatch, expected "${said}", got "${got}"` },
    ]);
  });
});

describe("show", () => {
  it("tells Copilot Chat the name it asked for", async () => {
    await using host = await startHost();
    const asked = async (agent: string): Promise<unknown> => {
      const init = { method: "POST", headers: { "user-agent": agent }, body: '{"model":"TINY"}' };
      const shown = (await (await fetch(`${host.url}/api/show`, init)).json()) as { model_info: object };
      return Object.entries(shown.model_info).find(([key]) => key === "general.basename")?.[1];
    };
    expect(await asked("GitHubCopilotChat/0.30")).toBe("TINY");
    expect(await asked("curl/8")).toBe("tiny");
  });
});

describe("a stub of a cloud model", () => {
  it("is listed with its host, and cannot be run here", async () => {
    const remote = { host: "https://ollama.com:443", model: "gpt-oss:120b" };
    await using host = await startHost({ models: [simulatedModel({ name: "gpt-oss:120b-x", remote })] });
    const { models } = (await (await fetch(`${host.url}/api/tags`)).json()) as { models: object[] };
    expect(models).toMatchObject([{ remote_host: remote.host, remote_model: remote.model }]);
    const response = await post(host, "/api/chat", { model: "gpt-oss:120b-x", messages: says("x") });
    expect([response.status, await response.json()]).toEqual([
      403,
      { error: "ollama cloud is disabled: remote model is unavailable" },
    ]);
  });
});

describe("the journal", () => {
  it("keeps what came in, byte for byte", async () => {
    await using host = await startHost();
    const body = ' {"model":"tiny",  "messages":[] , "x":9007199254740993}';
    await sendRaw(host.port, { method: "POST", path: "/api/chat?x=1", headers: { Authorization: "Bearer s" }, body });
    expect(host.requests).toMatchObject([
      {
        method: "POST",
        url: "/api/chat?x=1",
        headers: { authorization: "Bearer s" },
        bodyText: body,
        bodySha256: createHash("sha256").update(body).digest("hex"),
        status: 200,
        finished: true,
        closedByClient: false,
      },
    ]);
    expect(host.requests[0]?.rawHeaders).toEqual(expect.arrayContaining(["Authorization", "Bearer s"]));
  });

  it("forgets the oldest when there are too many, and keeps nothing when told so", async () => {
    await using few = await startHost({ keepRequests: 4 });
    await using none = await startHost({ keepRequests: 0 });
    for (let number = 0; number < 9; number++) {
      await fetch(`${few.url}/api/version?${number}`);
      await fetch(`${none.url}/api/version?${number}`);
    }
    expect(few.requests.length).toBeLessThanOrEqual(5);
    expect(few.requests.at(-1)?.url).toBe("/api/version?8");
    expect(none.requests).toHaveLength(0);
  });
});

describe("pages of Go's own", () => {
  it("are there, so that others can be told to hide them", async () => {
    await using host = await startHost();
    expect((await fetch(`${host.url}/debug/pprof/`)).status).toBe(200);
  });
});

describe("a stream", () => {
  it("has one chunk for each record, and no header before the first", async () => {
    await using host = await startHost();
    const body = JSON.stringify({ model: "tiny", messages: says("a"), options: { num_predict: 12 } });
    const { chunks, headers } = await sendRaw(host.port, { method: "POST", path: "/api/chat", body });
    expect(chunks).toHaveLength(13);
    expect(chunks?.every((chunk) => chunk.endsWith("}\n") && chunk.indexOf("\n") === chunk.length - 1)).toBe(true);
    expect(headers).toMatchObject({ "content-type": "application/x-ndjson", "transfer-encoding": "chunked" });
  });
});
