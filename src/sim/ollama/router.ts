// From a request to its handler, with gin's manners: redirects, 404 and 405 as text, HEAD, and errors in each API's shape.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Exchange } from "./exchange.ts";
import type { Host } from "./host.ts";
import type { Journal, ReceivedRequest } from "./journal.ts";
import type { Dialect, Methods, Route } from "./routes.ts";
import { anthropicFailure } from "./api/voice-anthropic.ts";
import { strikeEarly } from "./api/inference.ts";
import { gateRequest } from "./origin-gate.ts";
import { Canceled } from "./machine/pause.ts";
import { Refusal } from "./refusal.ts";
import { Reply } from "./reply.ts";
import { NAMED_ROUTES, ROUTES } from "./routes.ts";
import { nativeFailure } from "./api/voice-native.ts";
import { openaiFailure } from "./api/voice-openai.ts";

const TEXT = "text/plain";

/** Answers one request of the simulated host. */
export async function handleRequest(
  host: Host,
  journal: Journal,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const received = journal.open({
    method: request.method ?? "",
    url: request.url ?? "",
    headers: request.headers,
    rawHeaders: request.rawHeaders,
    remotePort: request.socket.remotePort,
  });
  const reply = new Reply(response);
  const signal = watchClient(host, received, reply);
  const found = locate(request, reply);
  if (found === undefined) return;
  const { route, path, param, methods } = found;
  // gin has said which methods there are before it asks who is asking.
  if (route === undefined && methods !== undefined) response.setHeader("Allow", Object.keys(methods).join(", "));
  if (gateRequest(request, response, host.onLoopback)) return;
  if (route === undefined) return refuseRoute(reply, methods);

  const body = route.streamsBody ? Buffer.alloc(0) : await readBody(request);
  if (body === undefined) return;
  if (!route.streamsBody) journal.noteBody(received, body);
  const takeFault = faultTaker(host, route, path);
  const exchange: Exchange = { request, reply, path, param, body, received, signal, takeFault };
  await runRoute(host, route, exchange);
}

async function runRoute(host: Host, route: Route, exchange: Exchange): Promise<void> {
  try {
    if (!route.inference && (await strikeCatalogue(exchange))) return;
    await route.handle(host, exchange);
  } catch (error) {
    if (error instanceof Canceled || exchange.signal.aborted) return;
    if (!(error instanceof Refusal)) throw error;
    refuse(exchange, route.dialect, error);
  }
}

function refuse({ reply }: Exchange, dialect: Dialect, refusal: Refusal): void {
  const { status, message } = refusal;
  const shapes = { native: nativeFailure, openai: openaiFailure, anthropic: anthropicFailure };
  const { failureType, failure } = shapes[dialect];
  const body = failure(status, message);
  if (refusal.inStream) reply.wholeInChunks(status, "application/json", body);
  else reply.whole(status, failureType, body);
}

/** Faults on routes that know no model strike here. */
async function strikeCatalogue(exchange: Exchange): Promise<boolean> {
  const fault = exchange.takeFault("");
  if (fault === undefined) return false;
  return strikeEarly(exchange, fault);
}

function faultTaker(host: Host, route: Route, path: string): Exchange["takeFault"] {
  return (model, speaks = true) => host.faults.take({ path, inference: route.inference, model, speaks });
}

/** A signal that fires when the client leaves, as Go's request context does. */
function watchClient(host: Host, received: ReceivedRequest, reply: Reply): AbortSignal {
  const { response } = reply;
  const gone = new AbortController();
  response.on("finish", () => {
    received.finished = true;
    received.status = response.statusCode;
  });
  response.on("close", () => {
    received.status = response.headersSent ? response.statusCode : undefined;
    if (response.writableFinished) return;
    received.closedByClient = !reply.died;
    if (!reply.died) host.gauges.aborted++;
    gone.abort();
  });
  return gone.signal;
}

type Located = {
  readonly route: Route | undefined;
  readonly path: string;
  readonly param: string;
  /** What the path knows; undefined where there is no such path. */
  readonly methods: Methods | undefined;
};

/** Finds the route; undefined when the answer is a redirect or a page of Go's own and has been given. */
function locate(request: IncomingMessage, reply: Reply): Located | undefined {
  const [rawPath, query] = splitOnce(request.url ?? "/", "?");
  const path = decodePath(rawPath);
  if (path === undefined) {
    reply.whole(400, "text/plain; charset=utf-8", "400 Bad Request");
    return undefined;
  }
  const suffix = query === undefined ? "" : `?${query}`;
  const clean = cleanPath(path);
  if (clean !== path) return redirect(request, reply, { status: 307, to: clean + suffix });
  if (path.startsWith("/debug/pprof/")) {
    reply.whole(200, "text/html; charset=utf-8", "<html><head><title>/debug/pprof/</title></head></html>\n");
    return undefined;
  }
  const { methods, param } = methodsFor(path);
  const route = methods?.[request.method as keyof Methods];
  if (route !== undefined || !hasSlashTwin(path, request.method)) return { route, path, param, methods };
  return redirect(request, reply, { status: request.method === "GET" ? 301 : 307, to: slashTwin(path) + suffix });
}

/** The same path with or without its last slash: gin redirects to the one that has a handler. */
function slashTwin(path: string): string {
  return path.endsWith("/") ? path.slice(0, -1) : `${path}/`;
}

function hasSlashTwin(path: string, method: string | undefined): boolean {
  return path !== "/" && ROUTES.get(slashTwin(path))?.[method as keyof Methods] !== undefined;
}

function methodsFor(path: string): { methods: Methods | undefined; param: string } {
  const methods = ROUTES.get(path);
  if (methods !== undefined) return { methods, param: "" };
  const slash = path.lastIndexOf("/");
  const param = path.slice(slash + 1);
  return { methods: param === "" ? undefined : NAMED_ROUTES.get(path.slice(0, slash)), param };
}

function refuseRoute(reply: Reply, methods: object | undefined): void {
  if (methods === undefined) return reply.whole(404, TEXT, "404 page not found");
  reply.whole(405, TEXT, "405 method not allowed");
}

const REASONS: Readonly<Record<number, string>> = { 301: "Moved Permanently", 307: "Temporary Redirect" };

/** Go's http.Redirect: a page for GET alone. */
function redirect(request: IncomingMessage, reply: Reply, to: { status: number; to: string }): undefined {
  reply.response.setHeader("Location", to.to);
  const shows = request.method === "GET" || request.method === "HEAD";
  const page = request.method === "GET" ? `<a href="${to.to}">${REASONS[to.status]}</a>.\n\n` : "";
  reply.whole(to.status, shows ? "text/html; charset=utf-8" : undefined, page);
  return undefined;
}

/** Go's cleanPath: no empty, `.` or `..` parts; a slash at the end stays. */
function cleanPath(path: string): string {
  if (!path.includes("//") && !path.includes("/.")) return path;
  const kept: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") kept.pop();
    else kept.push(part);
  }
  const end = path.endsWith("/") && kept.length > 0 ? "/" : "";
  return `/${kept.join("/")}${end}`;
}

function decodePath(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

/** The whole body, or undefined when the client left while sending it. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of request) pieces.push(piece as Buffer);
  } catch {
    return undefined;
  }
  return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
}
