// The door of `hive scaler`: only orders that the edge has signed, body and all, come in.
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { sha256Base64Url } from "../auth/digest.ts";
import type { ScaleKey } from "../auth/scale-token.ts";
import { verifyScaleToken } from "../auth/scale-token.ts";
import { scaleOrderSchema } from "../wire/scale.ts";
import type { ScaleOrder } from "../wire/scale.ts";
import { CliError } from "./terminal.ts";

const BODY_MAX_BYTES = 1_000_000;
const REQUEST_LIMIT_MS = 10_000;

export interface ScalerDoor {
  readonly port: number;
  readonly bind: string;
  readonly key: ScaleKey;
  readonly issuer: string;
  readonly log: (line: object) => void;
}

/** Listens; hands on each order that is genuine, and answers whether it was news. */
export async function openScalerServer(
  door: ScalerDoor,
  take: (order: ScaleOrder) => boolean,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = createServer({ requestTimeout: REQUEST_LIMIT_MS }, (request, response) => {
    answer(door, request, take).then(
      (status) => end(response, status),
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (fault: NodeJS.ErrnoException) => {
      const reason = fault.code === "EADDRINUSE" ? "is in use; choose another with --port" : `: ${String(fault.code)}`;
      reject(new CliError(`port ${String(door.port)} ${reason}`));
    });
    server.listen(door.port, door.bind, resolve);
  });
  const address = server.address();
  const close = async (): Promise<void> => {
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  };
  return { port: typeof address === "object" && address !== null ? address.port : door.port, close };
}

function end(response: ServerResponse, status: number): void {
  response.writeHead(status, { "content-length": "0", connection: "close" }).end();
}

/** 202 for news, 200 for what is known, 401 for what the edge did not sign, 400 for what is no order. */
async function answer(
  { key, issuer, log }: ScalerDoor,
  request: IncomingMessage,
  take: (order: ScaleOrder) => boolean,
): Promise<number> {
  if (request.method !== "POST") return 405;
  const token = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1] ?? "";
  const verified = await verifyScaleToken(key, token, { issuer, now: Date.now() });
  if (!verified.ok) {
    log({ event: "refused", reason: `the token is ${verified.error.code}: ${verified.error.reason}` });
    return 401;
  }
  const body = await readBody(request);
  if (body === undefined || (await sha256Base64Url(body)) !== verified.value.bodySha256) {
    log({ event: "refused", reason: "the body is not the token's" });
    return 401;
  }
  const order = scaleOrderSchema.safeParse(parseJson(body));
  if (!order.success) {
    log({ event: "refused", reason: "not an order" });
    return 400;
  }
  return take(order.data) ? 202 : 200;
}

async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > BODY_MAX_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}
