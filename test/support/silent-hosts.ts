// Hosts that say nothing for long, behind a path that cuts what is silent: the same questions for seconds and for minutes.
import { expect } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import type { SimulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { startImpatientProxy } from "./impatient-proxy.ts";
import type { ImpatientProxy } from "./impatient-proxy.ts";
import { startFleet } from "./fleet.ts";
import type { TestFleet } from "./fleet.ts";

export interface SilentFleet extends TestFleet {
  readonly proxies: readonly ImpatientProxy[];
}

const messages = [{ role: "user", content: "hi" }];

/** Every shape in which an answer comes, with what makes it whole. */
export const SHAPES = [
  { path: "/api/chat", body: { messages }, type: "application/x-ndjson", ends: /"done":true[^\n]*\}\n$/ },
  {
    path: "/api/chat",
    body: { messages, stream: false },
    type: "application/json; charset=utf-8",
    ends: /"done":true/,
  },
  { path: "/api/generate", body: { prompt: "hi" }, type: "application/x-ndjson", ends: /"done":true[^\n]*\}\n$/ },
  {
    path: "/api/embed",
    body: { input: ["a", "b"] },
    type: "application/json; charset=utf-8",
    ends: /"embeddings":\[\[/,
  },
  { path: "/v1/embeddings", body: { input: "a" }, type: "application/json", ends: /"embedding":/ },
  { path: "/v1/chat/completions", body: { messages }, type: "application/json", ends: /"finish_reason":"/ },
  { path: "/v1/chat/completions", body: { messages, stream: true }, type: "text/event-stream", ends: /\[DONE\]\n\n$/ },
  { path: "/v1/messages", body: { messages, max_tokens: 20 }, type: "application/json", ends: /"stop_reason":"/ },
  {
    path: "/v1/messages",
    body: { messages, max_tokens: 20, stream: true },
    type: "text/event-stream",
    ends: /event: message_stop\n/,
  },
] as const;

/** One host per model, each behind its own proxy that cuts after so much silence. */
export async function startSilentFleet(
  env: Record<string, string>,
  silenceMs: number,
  models: readonly SimulatedModel[],
): Promise<SilentFleet> {
  const fleet = await startFleet(env);
  const proxies: ImpatientProxy[] = [];
  const through = async (port: number): Promise<string> => {
    const proxy = await startImpatientProxy(port, silenceMs);
    proxies.push(proxy);
    return proxy.url;
  };
  for (const [at, model] of models.entries())
    await fleet.addHost(`host${at}`, { models: [model], slots: 16 }, 16, { through });
  return {
    ...fleet,
    proxies,
    close: async () => {
      await fleet.close();
      await Promise.all(proxies.map(async (proxy) => await proxy.close()));
    },
  };
}

/** A model that does everything, and takes so long to be loaded. */
export function coldModel(name: string, loadMs: number): SimulatedModel {
  return simulatedModel({ name, capabilities: ["completion", "embedding"], loadMs });
}

export async function ask(fleet: TestFleet, path: string, body: object): Promise<Response> {
  return await fetch(`${fleet.url}${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${fleet.token}` },
    body: JSON.stringify(body),
  });
}

/** Asks in every shape at once, and expects every answer whole, with its own status and type, after one load. */
export async function expectAllShapes(fleet: SilentFleet, model: string, loadMs: number): Promise<void> {
  const startedAt = performance.now();
  const answers = await Promise.all(
    SHAPES.map(async ({ path, body }) => {
      const response = await ask(fleet, path, { model, ...body });
      return { response, text: await response.text() };
    }),
  );
  expect(performance.now() - startedAt).toBeGreaterThan(loadMs - 100);
  for (const [at, { path, type, ends }] of SHAPES.entries()) {
    const answer = answers[at];
    expect([path, answer?.response.status, answer?.response.headers.get("content-type")]).toEqual([path, 200, type]);
    expect(answer?.text, path).toMatch(ends);
  }
  expect(fleet.proxies.map((proxy) => proxy.cuts())).toEqual(fleet.proxies.map(() => 0));
}

/** Asks for a model whose load fails after all that time: the status is Ollama's own, in the shape of each API. */
export async function expectTrueFailure(fleet: SilentFleet, model: string): Promise<void> {
  const message = "model requires more system memory (70.0 GiB) than is available (8.0 GiB)";
  for (const host of fleet.hosts) await host.ollama.setFault({ kind: "load_failure", message, model });
  const [native, openai, anthropic] = await Promise.all([
    ask(fleet, "/api/chat", { model, messages }),
    ask(fleet, "/v1/chat/completions", { model, messages, stream: true }),
    ask(fleet, "/v1/messages", { model, messages, max_tokens: 20 }),
  ]);
  expect([native.status, openai.status, anthropic.status]).toEqual([500, 500, 500]);
  expect(await native.json()).toEqual({ error: message });
  expect(await openai.json()).toEqual({ error: { message, type: "api_error", param: null, code: null } });
  expect(await anthropic.json()).toMatchObject({ type: "error", error: { type: "api_error", message } });
}
