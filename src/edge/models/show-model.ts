// `/api/show`: by a host that has the model, once for each digest and way of asking; after that by the edge, as it was told.
import type { Context } from "hono";
import { catalogOf } from "./catalog.ts";
import type { Endpoint } from "../endpoints.ts";
import type { HonoEnv } from "../env.ts";
import type { Forwarded } from "../leg/forward.ts";
import { pinOf } from "../caller/host-pin.ts";
import type { Inspected } from "../body/inspect.ts";
import { scanRequest } from "../body/scan-request.ts";
import { ShownModels } from "./shown-models.ts";

/** What makes Ollama answer with more than the model itself. */
const BENDS: readonly string[] = ["system", "options"];
/** Ollama words its answer in another way for this client. */
const COPILOT = "GitHubCopilotChat/";

const shown = new ShownModels();

export interface ShowRequest {
  readonly endpoint: Endpoint;
  readonly inspected: Inspected;
  readonly forwarded: Forwarded;
}

/** Answers for a caller that may use the model; `ask` asks a host. */
export async function showModel(
  c: Context<HonoEnv>,
  request: ShowRequest,
  ask: () => Promise<Response>,
): Promise<Response> {
  const key = await keyOf(c, request);
  if (key === undefined) return await ask();
  const known = shown.get(key, Date.now());
  if (known !== undefined) {
    const { body, contentType } = known;
    const headers = { "content-type": contentType, "cache-control": "no-store, no-transform" };
    return new Response(body, { headers: { ...headers, "hive-request-id": c.var.requestId } });
  }
  const answer = await ask();
  if (answer.status !== 200) return answer;
  const body = new Uint8Array(await answer.arrayBuffer());
  shown.put(key, { body, contentType: answer.headers.get("content-type") ?? "" }, Date.now());
  return new Response(body, answer);
}

/**
 * All that the answer depends on; undefined where it is not to be kept. A pool learns nothing of another's hosts.
 * Who names a host wants that host's own word: `hive doctor` learns from it that a request arrives.
 */
async function keyOf(
  c: Context<HonoEnv>,
  { endpoint, inspected, forwarded }: ShowRequest,
): Promise<string | undefined> {
  const { body, bodySha256, userAgent } = forwarded;
  if (!(body instanceof Uint8Array) || inspected.model.source === "cloud" || pinOf(c) !== undefined) return undefined;
  const scanned = scanRequest(endpoint.style, endpoint.goStruct, body);
  if (!scanned.ok || BENDS.some((name) => scanned.value.members.has(name))) return undefined;
  const { pool } = c.var.caller.principal;
  const model = inspected.model.canonical;
  // A cell that cannot be reached says so when it is asked for a host.
  const catalog = await catalogOf(c, { pool, model }).catch(() => undefined);
  const row = catalog?.models[0];
  if (row === undefined || row.remote === true) return undefined;
  const isCopilot = userAgent?.startsWith(COPILOT) === true;
  return JSON.stringify([pool, row.digest, bodySha256, isCopilot]);
}
