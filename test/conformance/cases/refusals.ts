// Cases about what is refused, and in whose words.
import { expect } from "vitest";
import { anyHost, simulatedOnly } from "../case.ts";
import type { ConformanceCase } from "../case.ts";
import { expectSame, json, observe } from "../exchange.ts";
import type { Exchange } from "../exchange.ts";
import { eventually } from "../../support/fleet.ts";

const messages = [{ role: "user", content: "Why is the sky blue?" }];
const INFERENCE = [
  "/api/chat",
  "/api/generate",
  "/api/embed",
  "/api/embeddings",
  "/api/show",
  "/v1/chat/completions",
  "/v1/completions",
  "/v1/embeddings",
  "/v1/responses",
  "/v1/messages",
];
const MANAGEMENT = ["/api/pull", "/api/push", "/api/create", "/api/copy"];

/** A body that each inference route takes. */
function bodyFor(model: string): string {
  return json({ model, messages, prompt: "One", input: "One", max_tokens: 4, stream: false });
}

const unknownModel = anyHost(9, "an unknown model is told in the words and shape of each API", async (world) => {
  for (const path of INFERENCE) {
    const { status } = await expectSame(world, { path, body: bodyFor("nope") });
    expect(status, path).toBe(404);
  }
});

const malformed = anyHost(10, "a malformed body is told in the very words of a host", async (world) => {
  for (const path of INFERENCE) {
    for (const body of ["{", "not json", "", "  ", '{"model":', '{"model":"x",}', "[1]", '"x"', '{"stream":tru}']) {
      expect((await expectSame(world, { path, body })).status, `${path} ${body}`).toBe(400);
    }
  }
  // To Go it is an object without members.
  for (const path of INFERENCE) await expectSame(world, { path, body: "null" });
  const wrongTypes = ['{"model":5}', '{"model":"MODEL","stream":"yes"}', '{"model":"MODEL","messages":"hi"}'];
  for (const body of wrongTypes) {
    await expectSame(world, { path: "/api/chat", body: body.replace("MODEL", world.models.chat) });
    await expectSame(world, { path: "/v1/chat/completions", body: body.replace("MODEL", world.models.chat) });
  }
});

/** The same for calls that need the scope `manage`. */
async function expectSameAs(world: Parameters<ConformanceCase["check"]>[0], exchange: Exchange) {
  const headers = { authorization: `Bearer ${world.manageToken}` };
  return await expectSame(world, { ...exchange, headers });
}

const malformedManagement = anyHost(
  10,
  "a malformed body of management is told in the words of a host",
  async (world) => {
    for (const path of MANAGEMENT) {
      for (const body of ["{", "not json", "", "[1]", "{}", "null"]) {
        const direct = await expectSameAs(world, { path, body });
        expect(direct.status, `${path} ${body}`).toBe(400);
      }
      await expectSameAs(world, { path, method: "GET" });
    }
    await expectSameAs(world, { path: "/api/delete", method: "GET" });
    await expectSameAs(world, { path: "/api/delete", method: "DELETE", body: "null" });
    for (const [path, body] of [
      ["/api/pull", { model: "x:local:cloud" }],
      ["/api/create", { model: "x:local:cloud", from: world.models.chat }],
      ["/api/copy", { source: "x:local:cloud", destination: "y" }],
    ] as const)
      await expectSameAs(world, { path, body: json(body) });
  },
);

const withoutModel = anyHost(11, "a missing model is told as each endpoint tells it", async (world) => {
  for (const path of INFERENCE) {
    for (const body of ["{}", json({ messages, prompt: "One", input: "One", max_tokens: 4 }), '{"model":""}']) {
      await expectSame(world, { path, body });
    }
  }
  for (const path of INFERENCE) {
    for (const name of ["a/b/c/d/e", "tiny@sha256:0", "x:local:cloud"])
      expect((await expectSame(world, { path, body: bodyFor(name) })).status, `${path} ${name}`).toBe(400);
    await expectSame(world, { path, body: bodyFor("  ") });
  }
});

const wrongMethod = anyHost(12, "wrong methods and unknown paths are told as plain text", async (world) => {
  for (const path of [...INFERENCE, "/api/tags", "/api/ps", "/api/version", "/v1/models"]) {
    const method = INFERENCE.includes(path) ? "GET" : "POST";
    expect((await expectSame(world, { path, method })).status, path).toBe(405);
    for (const other of ["PUT", "HEAD", "OPTIONS"] as const) await expectSame(world, { path, method: other });
  }
  for (const path of ["/nope", "/api/nope", "/API/chat", "/v1/images/generations", "/health", "/metrics"])
    expect((await expectSame(world, { path })).status, path).toBe(404);
  expect((await expectSame(world, { path: "/v1/messages/count_tokens", body: "{}" })).status).toBe(404);
  expect((await expectSame(world, { path: "/v1/models/a%2Fb" })).status).toBe(404);
});

const alive = anyHost(
  13,
  "the root answers as Ollama's, under every prefix and without a credential",
  async (world) => {
    const page = await expectSame(world, { path: "/" });
    expect(page.records).toEqual(["Ollama is running"]);
    await expectSame(world, { path: "/", method: "HEAD" });
    for (const path of ["/", "/k/none/", "/k/none"]) {
      for (const method of ["GET", "HEAD"] as const) {
        const answer = await observe(await world.send({ path, method }, ""));
        expect([answer.status, answer.contentType], path).toEqual([200, "text/plain; charset=utf-8"]);
        expect(answer.records).toEqual([method === "GET" ? "Ollama is running" : ""]);
      }
    }
  },
);

const trailing = anyHost(
  26,
  "bytes after the JSON value are refused, for what was not read was not checked",
  async (world) => {
    for (const tail of [" {}", "x", '{"model":"other"}']) {
      const body = json({ model: world.models.chat, messages, stream: false }) + tail;
      expect((await world.send({ path: "/api/chat", body })).status, tail).toBe(400);
    }
  },
);

const tooLarge = anyHost(
  28,
  "a body over the limit is told as JSON in each API's shape, on a connection that stays",
  async (world) => {
    const body = `{"model":"${world.models.chat}","x":"${"a".repeat(33_000_000)}"}`;
    const native = await world.send({ path: "/api/chat", body });
    expect([native.status, await native.json()]).toEqual([413, { error: expect.any(String) }]);
    const openai = await world.send({ path: "/v1/chat/completions", body });
    expect([openai.status, await openai.json()]).toMatchObject([
      413,
      { error: { message: expect.any(String), code: null } },
    ]);
    const anthropic = await world.send({ path: "/v1/messages", body });
    expect([anthropic.status, await anthropic.json()]).toMatchObject([413, { type: "error" }]);
  },
);

const busy = simulatedOnly(
  32,
  "what finds every host busy waits, and what finds the queue full is told so",
  async (world) => {
    const slots = 12;
    const waiting = 8;
    const body = json({ model: "slow", messages, stream: false, options: { num_predict: 10 } });
    const answers = await Promise.all(
      Array.from({ length: slots + waiting + 6 }, async () => {
        const answer = await world.send({ path: "/api/chat", body });
        return { answer, json: (await answer.json()) as { error?: string; done?: boolean } };
      }),
    );
    const refused = answers.filter(({ answer }) => answer.status !== 200);
    expect(refused.length).toBeGreaterThan(0);
    for (const { answer, json: told } of refused) {
      expect(answer.status).toBe(503);
      expect(told.error).toBe("server busy, please try again.  maximum pending requests exceeded");
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    }
    expect(answers.filter(({ json: told }) => told.done === true).length).toBeGreaterThan(slots);
  },
);

const offline = simulatedOnly(
  33,
  "a model whose holders are offline is a 503, one that nobody ever had a 404",
  async (world) => {
    await world.ollama("c").setFault({ kind: "refuse" });
    try {
      const ask = async (model: string, path = "/api/chat") =>
        await observe(await world.send({ path, body: json({ model, messages, stream: false }) }));
      await eventually("c is known to be down", async () => (await world.fleet.host("c")).backend === "down");
      const known = await ask("lonely");
      expect([known.status, JSON.parse(known.records[0] ?? "")]).toEqual([503, { error: expect.any(String) }]);
      expect((await ask("lonely", "/v1/chat/completions")).status).toBe(503);
      expect((await ask("never-seen")).status).toBe(404);
    } finally {
      await world.ollama("c").clearFaults();
      await eventually("c is back", async () => (await world.fleet.host("c")).backend === "up");
    }
  },
);

const hostless = anyHost(34, "an edge without hosts is an Ollama without models", async (world) => {
  const told = (path: string) => world.beforeHosts.get(path);
  const expectEmpty = (path: string, body: unknown) => {
    expect([told(path)?.status, JSON.parse(told(path)?.records[0] ?? "")], path).toEqual([200, body]);
  };
  expect([told("/")?.status, told("/")?.records]).toEqual([200, ["Ollama is running"]]);
  expectEmpty("/api/tags", { models: [] });
  expectEmpty("/api/ps", { models: [] });
  expectEmpty("/api/version", { version: expect.stringMatching(/^\d+\.\d+\.\d+$/) });
  expectEmpty("/v1/models", { object: "list", data: [] });
  expect(told("/api/chat")?.status).toBe(503);
  expect(told("/v1/chat/completions")?.status).toBe(503);
  // The same to a token whose pool has no host.
  const models = await world.send({ path: "/api/tags" }, world.hostlessToken);
  expect(await models.json()).toEqual({ models: [] });
  const chat = await world.send(
    { path: "/api/chat", body: json({ model: world.models.chat, messages }) },
    world.hostlessToken,
  );
  expect(chat.status).toBe(503);
  await chat.text();
});

const slashes = anyHost(42, "slashes too many lose neither method nor body", async (world) => {
  const body = json({ model: world.models.chat, messages, stream: false, options: { num_predict: 4, seed: 1 } });
  const plain = await observe(await world.send({ path: "/api/chat", body }));
  expect(plain.status).toBe(200);
  for (const path of ["/api/chat/", "//api/chat", "/api//chat"]) {
    expect(await observe(await world.send({ path, body })), path).toEqual(plain);
  }
  expect((await world.send({ path: "/api/tags/" })).status).toBe(200);
});

const hidden = simulatedOnly(44, "what Ollama serves by accident is not there", async (world) => {
  expect((await fetch(`${world.directUrl}/debug/pprof/`)).status).toBe(200);
  for (const path of ["/debug/pprof/", "/debug/pprof/heap", "/h/a/debug/pprof/"]) {
    const seen = await observe(await world.send({ path }, world.fleet.adminToken));
    expect([seen.status, seen.records], path).toEqual([404, ["404 page not found"]]);
  }
});

export const refusalCases: readonly ConformanceCase[] = [
  unknownModel,
  malformed,
  malformedManagement,
  withoutModel,
  wrongMethod,
  alive,
  trailing,
  tooLarge,
  busy,
  offline,
  hostless,
  slashes,
  hidden,
];
