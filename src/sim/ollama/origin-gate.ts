// Who may ask: Ollama's list of origins (gin-contrib/cors) and its check of the Host header on a loopback address.
import type { IncomingMessage, ServerResponse } from "node:http";
import { hostname } from "node:os";

const ORIGIN_PREFIXES = ["app://", "file://", "tauri://", "vscode-webview://", "vscode-file://"];
const LOCAL_ORIGIN = /^https?:\/\/(?:localhost|127\.0\.0\.1|0\.0\.0\.0)(?::.*)?$/;

const PREFLIGHT_HEADERS = {
  "Access-Control-Allow-Methods": "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS",
  "Access-Control-Allow-Headers":
    "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,Openai-Beta,X-Stainless-Arch,X-Stainless-Async," +
    "X-Stainless-Custom-Poll-Interval,X-Stainless-Helper-Method,X-Stainless-Lang,X-Stainless-Os," +
    "X-Stainless-Package-Version,X-Stainless-Poll-Helper,X-Stainless-Retry-Count,X-Stainless-Runtime," +
    "X-Stainless-Runtime-Version,X-Stainless-Timeout",
  "Access-Control-Max-Age": "43200",
};

/** Sets the CORS headers; answers the request itself, and says so, when it is a preflight or not allowed. */
export function gateRequest(request: IncomingMessage, response: ServerResponse, onLoopback: boolean): boolean {
  return gateOrigin(request, response) || (onLoopback && gateHost(request, response));
}

function gateOrigin(request: IncomingMessage, response: ServerResponse): boolean {
  const { origin, host } = request.headers;
  if (origin === undefined || origin === "") return false;
  if (origin === `http://${host}` || origin === `https://${host}`) return false;
  if (!isAllowedOrigin(origin)) return finish(response, 403);
  if (request.method === "OPTIONS") {
    for (const [name, value] of Object.entries(PREFLIGHT_HEADERS)) response.setHeader(name, value);
    response.setHeader("Vary", ["Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"]);
    response.setHeader("Access-Control-Allow-Origin", origin);
    return finish(response, 204);
  }
  response.setHeader("Vary", "Origin");
  response.setHeader("Access-Control-Allow-Origin", origin);
  return false;
}

function isAllowedOrigin(origin: string): boolean {
  return LOCAL_ORIGIN.test(origin) || ORIGIN_PREFIXES.some((prefix) => origin.startsWith(prefix));
}

function gateHost(request: IncomingMessage, response: ServerResponse): boolean {
  const name = hostWithoutPort(request.headers.host ?? "");
  if (isPrivateAddress(name)) return false;
  if (!isLocalName(name.toLowerCase())) return finish(response, 403);
  return request.method === "OPTIONS" && finish(response, 204);
}

function hostWithoutPort(host: string): string {
  const parts = /^(?:\[(.*)\]|([^:]*)):\d*$/.exec(host);
  return parts?.[1] ?? parts?.[2] ?? host;
}

// Loopback, private and unspecified addresses: Go's IsLoopback, IsPrivate, IsUnspecified.
const IPV4 = /^\d{1,3}(?:\.\d{1,3}){3}$/;
const PRIVATE_IPV4 = /^(?:127|10)\.|^172\.(?:1[6-9]|2\d|3[01])\.|^192\.168\.|^0\.0\.0\.0$/;
const PRIVATE_IPV6 = /^(?:::1?|f[cd][0-9a-f]{2}:.*)$/i;

function isPrivateAddress(name: string): boolean {
  if (!IPV4.test(name)) return PRIVATE_IPV6.test(name);
  return PRIVATE_IPV4.test(name) && name.split(".").every((octet) => Number(octet) <= 255);
}

function isLocalName(name: string): boolean {
  if (name === "" || name === "localhost" || name === hostname().toLowerCase()) return true;
  return [".localhost", ".local", ".internal"].some((suffix) => name.endsWith(suffix));
}

function finish(response: ServerResponse, status: number): true {
  response.statusCode = status;
  if (status !== 204) response.setHeader("Content-Length", 0);
  response.end();
  return true;
}
