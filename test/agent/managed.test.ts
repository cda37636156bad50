// Management of models through the agent: only with the scope, by Ollama's own methods, and told to the edge before its end.
import { expect, it } from "vitest";
import { startHost, takeApart } from "./fixture.ts";
import type { LegRequest, TestHost } from "./fixture.ts";

const MANAGE = { scope: "manage" } as const;
const DIGEST = "0".repeat(64);

async function read(host: TestHost, leg: LegRequest) {
  const answer = await host.send(leg);
  const { text, whole } = await answer.read();
  return answer.status === 200 ? { ...takeApart(text), whole } : { head: { status: answer.status }, body: text, whole };
}

/** Names in the heartbeats that the edge has taken, newest last. */
function told(host: TestHost): string[][] {
  return host.edge.beats.map((beat) => beat.models.map((model) => model.name));
}

it("makes Ollama create a model, record by record, and tells the edge before the answer ends", async () => {
  await using host = await startHost();
  const created = await read(host, {
    path: "/api/create",
    body: { model: "mine", from: "tiny", system: "Be brief." },
    claims: MANAGE,
  });
  expect(created.head.status).toBe(200);
  expect(created.body.trimEnd().split("\n").at(-1)).toBe('{"status":"success"}');
  expect(told(host).at(-1)).toContain("mine:latest");
});

it("tells the edge of work that is under way as of work without a model or slot", async () => {
  await using host = await startHost({ agent: { slots: 1 } });
  const claims = { ...MANAGE, leaseId: "creation" };
  await read(host, { path: "/api/create", body: { model: "mine", from: "tiny" }, claims });
  expect(host.edge.beats.at(-1)?.active).toMatchObject([{ id: "creation", model: "" }]);
  const from = host.edge.beats.length;
  expect((await read(host, {})).head.status).toBe(200);
  await host.edge.beat(({ active }) => active.length === 0, from);
});

it("holds the record of success back until the edge has heard of the model", async () => {
  await using host = await startHost();
  const leg = await host.send({ path: "/api/create", body: { model: "mine", from: "tiny" }, claims: MANAGE });
  let toldAtSuccess: readonly string[] | undefined;
  leg.answer.on("data", (chunk: Buffer) => {
    if (chunk.includes('"success"')) toldAtSuccess ??= told(host).at(-1);
  });
  expect((await leg.read()).whole).toBe(true);
  expect(toldAtSuccess).toContain("mine:latest");
});

it("copies, asks for blobs and deletes by the methods Ollama wants", async () => {
  await using host = await startHost();
  const body = { source: "tiny", destination: "other" };
  expect((await read(host, { path: "/api/copy", body, claims: MANAGE })).head.status).toBe(200);
  expect(told(host).at(-1)).toContain("other:latest");
  const blob = { path: `/api/blobs/sha256:${DIGEST}`, body: "", claims: { ...MANAGE, method: "HEAD" } };
  expect((await read(host, blob)).head.status).toBe(404);
  const removal = { path: "/api/delete", body: { model: "other" }, claims: { ...MANAGE, method: "DELETE" } };
  expect(await read(host, removal)).toMatchObject({ head: { status: 200 }, body: "", whole: true });
  expect(told(host).at(-1)).not.toContain("other:latest");
  expect(host.ollama.requests.map(({ method }) => method)).toEqual(expect.arrayContaining(["POST", "HEAD", "DELETE"]));
});

it("opens nothing of it without the scope, or by another method", async () => {
  await using host = await startHost();
  const refused: LegRequest[] = [
    { path: "/api/delete", body: { model: "tiny" }, claims: { method: "DELETE" } },
    { path: "/api/delete", body: { model: "tiny" }, claims: { ...MANAGE, method: "POST" } },
    { path: "/api/pull", body: { model: "tiny" } },
    { path: "/api/copy", body: { source: "tiny", destination: "other" } },
    { path: "/api/chat", claims: { method: "DELETE" } },
    { path: `/api/blobs/sha256:${DIGEST}`, body: "", claims: { method: "HEAD" } },
    { path: "/api/signout", body: {}, claims: MANAGE },
  ];
  for (const leg of refused) expect((await host.send(leg)).status, leg.path).toBe(401);
  expect(host.ollama.models().map(({ name }) => name)).toEqual(["tiny"]);
});

it("tells the edge of a model in memory before the answer that loaded it ends, and of an unload", async () => {
  await using host = await startHost();
  const running = () => host.edge.beats.at(-1)?.running.map((model) => model.name);
  const claims = { model: "registry.ollama.ai/library/tiny:latest" };
  await read(host, { claims });
  expect(running()).toEqual(["tiny:latest"]);
  await read(host, { path: "/api/generate", body: { model: "tiny", keep_alive: 0 }, claims: { ...claims, ...MANAGE } });
  expect(running()).toEqual([]);
});
