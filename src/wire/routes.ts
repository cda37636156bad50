// The published route table: every route of the edge and who may call it (what it does stands in the README). What is not in it cannot be reached.

/**
 * Who may call: everyone; the holder of an invite, or a host with its own key (their routes judge the proof themselves);
 * any client; a client with scope `manage`; an autoscaler's token (scope `scale`) or an operator; an operator. An operator may also do what clients may,
 * with a token that is limited to scopes as far as those go.
 */
export type Access = "none" | "invite" | "host" | "client" | "manage" | "scale" | "admin";

/** What a token of an operator must open, for routes of operators; `*` opens all. */
export type AdminScope = "read" | "hosts" | "tokens";

export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD";
  /** As Hono writes it: `:name` is one segment, `:name{.+}` the rest. */
  readonly path: string;
  readonly access: Access;
  readonly scope?: AdminScope;
}

const open: readonly Route[] = [
  { method: "HEAD", path: "/", access: "none" },
  { method: "GET", path: "/", access: "none" },
  { method: "GET", path: "/hive/healthz", access: "none" },
  { method: "GET", path: "/.well-known/jwks.json", access: "none" },
  { method: "GET", path: "/hive/dashboard", access: "none" },
];

const hosts: readonly Route[] = [
  { method: "POST", path: "/hive/v1/hosts/:id/join", access: "invite" },
  { method: "POST", path: "/hive/v1/hosts/:id/heartbeat", access: "host" },
];

const operators: readonly Route[] = [
  admin("GET", "/hive/v1/fleet", "read"),
  admin("GET", "/hive/metrics", "read"),
  { ...admin("GET", "/hive/v1/scale", "read"), access: "scale" },
  admin("POST", "/hive/v1/hosts/:id/drain", "hosts"),
  admin("POST", "/hive/v1/hosts/:id/resume", "hosts"),
  admin("DELETE", "/hive/v1/hosts/:id", "hosts"),
  { method: "GET", path: "/hive/v1/usage", access: "client" },
  { method: "GET", path: "/hive/v1/requests/:id", access: "client" },
  admin("GET", "/hive/v1/tokens", "read"),
  admin("POST", "/hive/v1/tokens", "tokens"),
  admin("DELETE", "/hive/v1/tokens/:id", "tokens"),
  admin("DELETE", "/hive/v1/tokens", "tokens"),
  admin("GET", "/hive/v1/audit", "read"),
  admin("POST", "/hive/v1/connections/closed", "hosts"),
];

const clients: readonly Route[] = [
  { method: "HEAD", path: "/api/version", access: "client" },
  { method: "GET", path: "/api/version", access: "client" },
  { method: "HEAD", path: "/api/tags", access: "client" },
  { method: "GET", path: "/api/tags", access: "client" },
  { method: "GET", path: "/api/ps", access: "client" },
  { method: "GET", path: "/api/status", access: "client" },
  { method: "GET", path: "/v1/models", access: "client" },
  { method: "GET", path: "/v1/models/:model", access: "client" },
  inference("/api/generate"),
  inference("/api/chat"),
  inference("/api/embed"),
  inference("/api/embeddings"),
  { method: "POST", path: "/api/show", access: "client" },
  inference("/v1/chat/completions"),
  inference("/v1/completions"),
  inference("/v1/embeddings"),
  inference("/v1/responses"),
  inference("/v1/messages"),
  inference("/v1/audio/transcriptions"),
  manage("POST", "/api/pull"),
  manage("POST", "/api/push"),
  manage("POST", "/api/me"),
  manage("POST", "/api/create"),
  manage("HEAD", "/api/blobs/:digest"),
  manage("POST", "/api/blobs/:digest"),
  manage("POST", "/api/copy"),
  manage("DELETE", "/api/delete"),
];

/** Every route of the edge. */
export const ROUTES: readonly Route[] = [...open, ...hosts, ...operators, ...clients];

function admin(method: Route["method"], path: string, scope: AdminScope): Route {
  return { method, path, access: "admin", scope };
}

function manage(method: Route["method"], path: string): Route {
  return { method, path, access: "manage" };
}

function inference(path: string): Route {
  return { method: "POST", path, access: "client" };
}
