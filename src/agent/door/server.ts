// The agent's only door: an HTTP server on loopback whose every answer to strangers is the same empty 401.
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { Duplex } from "node:stream";
import { AgentError } from "../agent-error.ts";

const LOOPBACK = "127.0.0.1";
// Longer than cloudflared keeps an idle connection (90 s), so that it never sends into one that closes.
const KEEP_ALIVE_MS = 120_000;
const MAX_HEADER_BYTES = 16 * 1024;
// What Node writes for `refuse(response, 401)`, for the cases in which Node gives a socket and no response.
const RAW_UNAUTHORIZED = "HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

export type Handler = (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean) => void;

export type OpenServer = {
  readonly port: number;
  readonly close: () => Promise<void>;
};

export type DoorLimits = {
  /** For a request's header to arrive. */
  readonly headersMs: number;
  readonly connections: number;
};

/** A request for every slot that an agent can have, and room for strangers to be refused. */
const LIMITS: DoorLimits = { headersMs: 10_000, connections: 5_120 };

/** Listens on loopback alone; throws an AgentError with one clear line where it cannot. */
export async function openServer(listen: { hostname: string; port: number }, handler: Handler): Promise<OpenServer> {
  if (listen.hostname !== LOOPBACK) {
    throw new AgentError(`the agent listens on ${LOOPBACK} only, not on ${listen.hostname}; a tunnel carries the rest`);
  }
  const server = createDoor(handler);
  await bind(server, listen.port);
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : listen.port;
  return { port, close: async () => await stop(server) };
}

/** An HTTP server that tells strangers nothing, whatever they send instead of a request, and holds little for them. */
export function createDoor(handler: Handler, { headersMs, connections }: DoorLimits = LIMITS): Server {
  const server = createServer({
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: headersMs,
    connectionsCheckingInterval: Math.min(1_000, headersMs),
    maxHeaderSize: MAX_HEADER_BYTES,
    requireHostHeader: false,
  });
  server.timeout = 0;
  server.maxConnections = connections;
  server.on("request", (request, response) => handler(request, response, false));
  server.on("checkContinue", (request, response) => handler(request, response, true));
  server.on("checkExpectation", (_request, response) => refuse(response, 401));
  server.on("connect", (_request, socket) => refuseRaw(socket));
  server.on("clientError", (_fault, socket) => refuseRaw(socket));
  return server;
}

/** Answers with a status and nothing else, and ends the connection, for what is left of the request is not read. */
export function refuse(response: ServerResponse, status: number): void {
  response.sendDate = false;
  response.writeHead(status, { connection: "close", "content-length": "0" });
  response.end();
}

function refuseRaw(socket: Duplex): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  socket.end(RAW_UNAUTHORIZED, () => socket.destroy());
}

async function bind(server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (fault: NodeJS.ErrnoException) => {
      const inUse = fault.code === "EADDRINUSE";
      const reason = inUse
        ? "is in use; choose another with --listen"
        : `cannot be listened on (${String(fault.code)})`;
      reject(new AgentError(`port ${port} on ${LOOPBACK} ${reason}`, { cause: fault }));
    });
    server.listen(port, LOOPBACK, resolve);
  });
}

async function stop(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
