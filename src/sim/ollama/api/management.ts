// Copy, delete, blobs, and what needs an account that no simulated host has.
import { createHash } from "node:crypto";
import type { Exchange } from "../exchange.ts";
import type { Host } from "../host.ts";
import { parseModelName } from "../../../wire/model-name.ts";
import { findShown } from "./catalogue.ts";
import { sendError, sendJson } from "../exchange.ts";
import { goJson, goQuote } from "../go/go-json.ts";
import { decodeNative } from "./native.ts";
import { copyRequest, deleteRequest } from "./native-requests.ts";
import { parsePlainName } from "./plain-name.ts";
import { givenName } from "./progress.ts";

export function handleCopy(host: Host, exchange: Exchange): void {
  const request = decodeNative(exchange, copyRequest);
  if (request === undefined) return;
  const source = parsePlainName(request.source);
  if (!source.valid) return sendError(exchange, 400, `source ${goQuote(request.source)} is invalid`);
  const destination = parsePlainName(request.destination);
  if (!destination.valid) return sendError(exchange, 400, `destination ${goQuote(request.destination)} is invalid`);
  const model = host.store.findPlain(source);
  if (model === undefined) return sendError(exchange, 404, `model ${goQuote(request.source)} not found`);
  host.store.addAs({ ...model, modifiedAt: Date.now() }, destination);
  exchange.reply.whole(200, undefined, "");
}

export function handleDelete(host: Host, exchange: Exchange): void {
  const request = decodeNative(exchange, deleteRequest);
  if (request === undefined) return;
  const spelled = givenName(request);
  const name = parseModelName(spelled);
  if (!name.ok) {
    const invalid = name.error.code === "invalid" ? `name ${goQuote(spelled)} is invalid` : name.error.message;
    return sendError(exchange, 400, invalid);
  }
  if (!host.store.remove(name.value)) return sendError(exchange, 404, `model '${spelled}' not found`);
  exchange.reply.whole(200, undefined, "");
}

/** So much of a body that its handler has not read Go's server reads (net/http, maxPostHandlerReadBytes). */
const READ_AFTER_BYTES = 256 * 1024;
const DIGEST = /^sha256[:-][0-9a-fA-F]{64}$/;

export function handleBlobHead(host: Host, exchange: Exchange): void {
  const digest = exchange.param;
  if (!DIGEST.test(digest)) return sendError(exchange, 400, "invalid digest format");
  if (!host.store.blobs.has(digest.replace("-", ":"))) {
    return sendError(exchange, 404, `blob ${goQuote(digest)} not found`);
  }
  exchange.reply.whole(200, undefined, "");
}

/** Takes a blob as it streams in; keeps its digest alone. */
export async function handleBlobPost(host: Host, exchange: Exchange): Promise<void> {
  const digest = exchange.param;
  if (!DIGEST.test(digest)) return sendError(exchange, 400, "invalid digest format");
  if (host.store.blobs.has(digest.replace("-", ":"))) {
    return await answerEarly(exchange);
  }
  const hash = createHash("sha256");
  try {
    for await (const piece of exchange.request) {
      const bytes = piece as Buffer;
      exchange.received.bodyBytes += bytes.length;
      hash.update(bytes);
    }
  } catch (error) {
    if (exchange.signal.aborted || exchange.request.destroyed) return;
    throw error;
  }
  const got = `sha256:${hash.digest("hex")}`;
  exchange.received.bodySha256 = got.slice("sha256:".length);
  if (got !== digest) {
    return sendError(exchange, 400, `digest mismatch, expected ${goQuote(digest)}, got ${goQuote(got)}`);
  }
  host.store.blobs.add(got);
  exchange.reply.whole(201, undefined, "");
}

/** Go's server reads some more, answers, and closes; what is still unread makes that a reset, which may overtake the answer. */
async function answerEarly({ request, reply: { response } }: Exchange): Promise<void> {
  response.statusCode = 200;
  response.setHeader("Content-Length", 0);
  let sizeBytes = 0;
  const isWhole = await new Promise<boolean>((resolve) => {
    request.on("data", (piece: Buffer) => {
      sizeBytes += piece.length;
      if (sizeBytes > READ_AFTER_BYTES) resolve(false);
    });
    request.once("end", () => resolve(true));
    request.once("close", () => resolve(true));
  });
  if (isWhole) return void response.end();
  request.pause();
  response.end(() => request.socket.resetAndDestroy());
}

/** POST /api/me: nobody is signed in. */
export function handleMe(_host: Host, exchange: Exchange): void {
  const signin = "https://ollama.com/connect?name=simulated&key=c2ltdWxhdGVk";
  sendJson(exchange, 401, { error: "unauthorized", signin_url: signin });
}

export function handleSignout(_host: Host, exchange: Exchange): void {
  sendError(exchange, 401, "you are not currently signed in");
}

/** The web routes need Ollama's cloud, and that is off. */
export function refuseCloud(operation: string): (host: Host, exchange: Exchange) => void {
  return (_host, exchange) => {
    if (exchange.body.toString().trim() === "") return sendError(exchange, 400, "missing request body");
    return sendError(exchange, 403, `ollama cloud is disabled: ${operation}`);
  };
}

export function handleRecommendations(_host: Host, exchange: Exchange): void {
  const simulated = { model: "hive-demo", description: "Simulated text, no language model", vram_bytes: 1_000_000_000 };
  sendJson(exchange, 200, { recommendations: [simulated] });
}

/** GET /v1/models/:model */
export function handleRetrieve(host: Host, exchange: Exchange): void {
  const parsed = parseModelName(exchange.param);
  if (parsed.ok && parsed.value.source === "cloud") {
    return sendError(exchange, 403, "ollama cloud is disabled: remote model details are unavailable");
  }
  const model = findShown(host, exchange.param);
  const body = {
    id: exchange.param,
    object: "model",
    created: Math.floor(model.modifiedAt / 1000),
    owned_by: parsed.ok ? parsed.value.namespace : "",
  };
  exchange.reply.whole(200, "application/json", `${goJson(body)}\n`);
}
