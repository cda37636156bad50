// The loopback port of `hive proxy`: passes requests on to the edge with the token added, and both ways nothing else changes.
import type { IncomingMessage, OutgoingHttpHeaders, Server, ServerResponse } from "node:http";
import { Agent as HttpAgent, createServer, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { CliError } from "./terminal.ts";

const LOOPBACK = "127.0.0.1";
/** Shorter than any edge keeps an idle connection, so that none is used just as it closes. */
const IDLE_MS = 10_000;
/** These belong to one connection (RFC 9110, 7.6.1), or are written anew. */
const NOT_PASSED_ON: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
/** The proxy speaks for its user: whatever a program sends in their place is a dummy. */
const CREDENTIALS: ReadonlySet<string> = new Set(["authorization", "x-api-key"]);
// Names under which a program reaches this machine. Any other means that a web page has pointed its own name here (DNS rebinding).
const LOCAL_NAME = /^(?:localhost|127(?:\.\d{1,3}){3}|0\.0\.0\.0|\[::1?\]|[a-z0-9.-]+\.(?:localhost|local|internal))$/i;

export interface ProxyOptions {
  /** 0 is any free one. */
  readonly port: number;
  /** Base URL of the edge, without trailing slash; its path goes before every request's. */
  readonly edge: string;
  /** The token to add; undefined where the base URL carries one. */
  readonly token: () => Promise<string | undefined>;
}

export interface Proxy {
  readonly port: number;
  close(): Promise<void>;
}

/** Starts listening; fails with one line where it cannot. */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const secure = options.edge.startsWith("https:");
  const agent = secure ? new HttpsAgent({ keepAlive: true, timeout: IDLE_MS }) : new HttpAgent({ keepAlive: false });
  // Uploads and answers may take as long as they like; only a header must come at once.
  const server = createServer({ requestTimeout: 0, keepAliveTimeout: 60_000 });
  server.on("request", (request, response) => {
    passOn(options, agent, request, response).catch((cause: unknown) => refuse(response, options.edge, cause));
  });
  const port = await listen(server, options.port);
  const close = async (): Promise<void> => {
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
    agent.destroy();
  };
  return { port, close };
}

async function passOn(
  { edge, token }: ProxyOptions,
  agent: HttpAgent | HttpsAgent,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const target = targetOf(edge, request.url ?? "/");
  if (!LOCAL_NAME.test((request.headers.host ?? "").replace(/:\d*$/, ""))) return answer(response, 403, "");
  // What operators may do is not for every program on this machine, whatever the token opens.
  if (target === undefined || isForOperators(target)) return answer(response, 404, "404 page not found");
  const open = edge.startsWith("https:") ? httpsRequest : httpRequest;
  const headers = headersFor(request, await token());
  const upstream = open(target, { method: request.method ?? "GET", headers, agent, setHost: true });
  response.once("close", () => upstream.destroy());
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    upstream.once("response", resolve);
    upstream.on("error", reject);
  });
  request.pipe(upstream);
  relay(await answered, response);
}

/** Where a request goes; undefined for a target that is no path, which beside the edge's name would make another name. */
export function targetOf(edge: string, path: string): URL | undefined {
  return path.startsWith("/") ? (URL.parse(edge + path) ?? undefined) : undefined;
}

/** Whether the edge would take it for a route of operators: it joins slashes, and takes `/k/KEY` and `/h/HOST` off. */
function isForOperators({ pathname }: URL): boolean {
  const path = pathname
    .replaceAll(/\/{2,}/g, "/")
    .replace(/^\/k\/[^/]+/, "")
    .replace(/^\/h\/[^/]+/, "");
  return /^\/hive(?:\/|$)/i.test(path);
}

/** Passes an answer on as it comes; one that breaks off breaks off here too, for a clean end would look complete. */
function relay(upstream: IncomingMessage, response: ServerResponse): void {
  response.sendDate = false;
  response.writeHead(upstream.statusCode ?? 502, kept(upstream.rawHeaders));
  response.flushHeaders();
  upstream.on("error", () => response.destroy());
  upstream.on("aborted", () => response.destroy());
  upstream.pipe(response);
}

function headersFor(request: IncomingMessage, token: string | undefined): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(request.headersDistinct)) {
    const isDummy = token !== undefined && CREDENTIALS.has(name);
    if (name !== "host" && name !== "expect" && !NOT_PASSED_ON.has(name) && !isDummy) headers[name] = value;
  }
  if (request.headers["transfer-encoding"] !== undefined) headers["transfer-encoding"] = "chunked";
  return token === undefined ? headers : { ...headers, authorization: `Bearer ${token}` };
}

/** Names and values in turns, as Node reads and writes them. */
function kept(rawHeaders: readonly string[]): string[] {
  const passed: string[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name = "", value = ""] = [rawHeaders[at], rawHeaders[at + 1]];
    if (!NOT_PASSED_ON.has(name.toLowerCase())) passed.push(name, value);
  }
  return passed;
}

function refuse(response: ServerResponse, edge: string, cause: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const reason =
    cause instanceof CliError ? cause.message : `no answer from ${new URL(edge).origin}; is Hive running there?`;
  answer(response, 502, JSON.stringify({ error: `hive proxy: ${reason}` }));
}

function answer(response: ServerResponse, status: number, text: string): void {
  const type = text.startsWith("{") ? "application/json; charset=utf-8" : "text/plain; charset=utf-8";
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text), connection: "close" });
  response.end(text);
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (fault: NodeJS.ErrnoException) => {
      const reason =
        fault.code === "EADDRINUSE" ? "is in use (by Ollama?)" : `cannot be listened on (${String(fault.code)})`;
      reject(new CliError(`port ${String(port)} ${reason}; choose another with --port N`));
    });
    server.listen(port, LOOPBACK, resolve);
  });
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}
