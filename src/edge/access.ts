// Who may pass: looks requests up in the published route table, and denies what it does not have.
import { ROUTES } from "../wire/routes.ts";
import type { AdminScope, Route } from "../wire/routes.ts";
import type { Caller } from "./env.ts";

const exact = new Map(ROUTES.map((route) => [`${route.method} ${route.path}`, route]));
const patterns = ROUTES.filter(({ path }) => path.includes(":")).map((route) => ({
  route,
  pattern: patternOf(route.path),
}));

const HIVE_PATH = /^\/(?:hive|\.well-known)\//;

/** The row of a request; under /hive HEAD is a GET without its body, elsewhere only where Ollama takes it. */
export function findRoute(method: string, path: string): Route | undefined {
  const found = exact.get(`${method} ${path}`) ?? patterns.find(isMatch(method, path))?.route;
  return found === undefined && method === "HEAD" && HIVE_PATH.test(path) ? findRoute("GET", path) : found;
}

/** The methods that a path has; empty for an unknown path. */
export function methodsOf(path: string): string[] {
  const known = ROUTES.filter((route) => route.path === path);
  const matched = patterns.filter(({ pattern }) => pattern.test(path)).map(({ route }) => route);
  return [...new Set([...known, ...matched].map(({ method }) => method))];
}

/** Whether a caller with a valid token may pass. */
export function mayEnter(route: Route, caller: Pick<Caller, "role" | "scopes">): boolean {
  return caller.role === "admin" ? mayOperate(route, caller.scopes) : mayUse(route, caller.scopes);
}

/** Whether a caller may change what hosts hold. */
export function mayManage({ role, scopes }: Pick<Caller, "role" | "scopes">): boolean {
  return role === "admin" ? isOpened("hosts", scopes) : scopes.includes("manage");
}

/** An operator may do what clients may; a token that is limited to scopes opens what they stand for, and nothing else. */
function mayOperate({ access, method, scope }: Route, scopes: readonly string[]): boolean {
  switch (access) {
    case "client":
      return isOpened("hosts", scopes) || (scopes.includes("read") && (method === "GET" || method === "HEAD"));
    case "manage":
      return isOpened("hosts", scopes);
    case "scale":
    case "admin":
      return isOpened(scope, scopes);
    case "none":
    case "invite":
    case "host":
      return true;
  }
}

function mayUse({ access }: Route, scopes: readonly string[]): boolean {
  switch (access) {
    case "admin":
      return false;
    case "manage":
    case "scale":
      return scopes.includes(access);
    case "client":
      // An autoscaler's token may read one figure, and use no model.
      return scopes.includes("inference") || scopes.includes("manage");
    case "none":
    case "invite":
    case "host":
      return true;
  }
}

function isOpened(scope: AdminScope | undefined, scopes: readonly string[]): boolean {
  return scopes.includes("*") || (scope !== undefined && scopes.includes(scope));
}

function isMatch(method: string, path: string) {
  return ({ route, pattern }: { route: Route; pattern: RegExp }) => route.method === method && pattern.test(path);
}

function patternOf(path: string): RegExp {
  const segments = path.split("/").map((segment) => {
    if (!segment.startsWith(":")) return segment.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
    return segment.endsWith("{.+}") ? ".+" : "[^/]+";
  });
  return new RegExp(`^${segments.join("/")}$`);
}
