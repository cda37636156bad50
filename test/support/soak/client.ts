// One client of a soak: asks in some shape, stays or leaves, and says whether what it got is something that a client may get.
import { request as httpRequest } from "node:http";
import type { Random } from "./random.ts";

/** What is asked, and how its client behaves. */
export interface Visit {
  readonly path: string;
  readonly body: object;
  readonly streams: boolean;
  readonly deadlineMs: number;
  /** Before the next visit, where this one was not served. */
  readonly pauseMs: number;
  /** When the client leaves, and whether by closing its connection or by resetting it; undefined for one that stays. */
  readonly leaves?: { readonly afterMs: number; readonly how: "close" | "reset" };
}

/** How a visit ended: its status, or that the client left before there was one. */
export interface Visited {
  readonly outcome: number | "left";
  /** What no client may see; undefined where all is well. */
  readonly wrong?: string;
}

const ENDPOINTS = [
  { path: "/api/chat", asks: "messages" },
  { path: "/api/generate", asks: "prompt" },
  { path: "/v1/chat/completions", asks: "messages" },
  { path: "/v1/completions", asks: "prompt" },
  { path: "/v1/responses", asks: "input" },
  { path: "/v1/messages", asks: "messages" },
  { path: "/api/embed", asks: "inputs" },
  { path: "/v1/embeddings", asks: "inputs" },
] as const;
const TALKERS = ["quick", "slow", "cold"] as const;
/** A refusal, a failure after all hosts were tried, or an answer. */
const STATUSES: ReadonlySet<number> = new Set([200, 429, 500, 502, 503, 504]);

/** A visit by chance. */
export function planVisit(random: Random): Visit {
  const { path, asks } = random.pick(ENDPOINTS);
  const embeds = asks === "inputs";
  const words = "word ".repeat(random.between(1, 40));
  const count = random.chance(0.2) ? 70 : random.between(1, 4);
  const asked = {
    messages: { messages: [{ role: "user", content: words }] },
    prompt: { prompt: words },
    input: { input: words },
    inputs: { input: Array.from({ length: count }, () => words) },
  }[asks];
  const native = path.startsWith("/api/");
  const tokens = random.between(1, 40);
  const options = random.chance(0.2) ? { num_ctx: random.pick([2_048, 8_192]) } : {};
  const limit = native ? { options: { num_predict: tokens, ...options } } : { max_tokens: tokens };
  const streams = !embeds && random.chance(0.6);
  const leaves = { afterMs: random.between(0, 1_500), how: random.pick(["close", "reset"] as const) };
  return {
    path,
    streams,
    body: {
      model: embeds ? "embedder" : random.pick(TALKERS),
      ...asked,
      ...(embeds ? {} : { ...limit, stream: streams }),
    },
    deadlineMs: random.between(500, 4_000),
    pauseMs: random.between(50, 400),
    ...(random.chance(0.45) ? { leaves } : {}),
  };
}

/** Makes the visit. */
export async function visit(url: string, token: string, planned: Visit): Promise<Visited> {
  const body = Buffer.from(JSON.stringify(planned.body));
  const request = httpRequest(url + planned.path, {
    method: "POST",
    agent: false,
    headers: {
      authorization: `Bearer ${token}`,
      "content-length": body.length,
      "hive-deadline-ms": String(planned.deadlineMs),
    },
  });
  let left = false;
  const timer = planned.leaves === undefined ? undefined : setTimeout(() => leave(), planned.leaves.afterMs);
  const leave = (): void => {
    left = true;
    if (planned.leaves?.how === "reset") request.socket?.resetAndDestroy();
    request.destroy();
  };
  const chunks: Buffer[] = [];
  const ended = Promise.withResolvers<{ status: number | undefined; whole: boolean }>();
  request.on("error", () => ended.resolve({ status: undefined, whole: false }));
  request.on("response", (answer) => {
    answer.on("data", (chunk: Buffer) => chunks.push(chunk));
    answer.on("error", () => undefined);
    answer.on("close", () => ended.resolve({ status: answer.statusCode, whole: answer.complete }));
  });
  request.end(body);
  const { status, whole } = await ended.promise;
  clearTimeout(timer);
  if (left) return { outcome: "left" };
  const wrong = whyWrong(planned, status, whole ? Buffer.concat(chunks).toString() : undefined);
  return wrong === undefined ? { outcome: status ?? 0 } : { outcome: status ?? 0, wrong };
}

function whyWrong(planned: Visit, status: number | undefined, text: string | undefined): string | undefined {
  if (status === undefined || text === undefined) return `cut off, status ${String(status)}`;
  if (!STATUSES.has(status)) return `status ${String(status)}: ${text.slice(0, 200)}`;
  const isSse = planned.streams && status === 200 && planned.path.startsWith("/v1/");
  if (isSse) return endsAsSse(text) ? undefined : `a stream without an end: …${text.slice(-200)}`;
  const last = status === 200 && planned.streams ? (text.trimEnd().split("\n").at(-1) ?? "") : text;
  try {
    const record = JSON.parse(last) as { done?: boolean; error?: unknown };
    const isEnd = !planned.streams || status !== 200 || record.done === true || record.error !== undefined;
    return isEnd ? undefined : `a stream without an end: …${last.slice(-200)}`;
  } catch {
    return `no JSON: …${last.slice(-200)}`;
  }
}

/** Proper, or by an error record: never silently shorter. */
function endsAsSse(text: string): boolean {
  const last =
    text
      .trimEnd()
      .split("\n\n")
      .findLast((event) => !event.startsWith(":")) ?? "";
  return /data: \[DONE\]|event: message_stop|event: response\.(?:completed|failed|incomplete)|"error":/.test(last);
}
