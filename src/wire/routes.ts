// The published route table: every route of the edge and who may call it. What is not in it cannot be reached.

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
  readonly does: string;
}

const open: readonly Route[] = [
  { method: "HEAD", path: "/", access: "none", does: "the same without the text" },
  { method: "GET", path: "/", access: "none", does: "says that Ollama is running" },
  { method: "GET", path: "/hive/healthz", access: "none", does: "says that the edge answers" },
  { method: "GET", path: "/.well-known/jwks.json", access: "none", does: "the public keys of this Hive" },
  { method: "GET", path: "/hive/dashboard", access: "none", does: "the operator's page; its data needs a token" },
];

const hosts: readonly Route[] = [
  { method: "POST", path: "/hive/v1/hosts/:id/join", access: "invite", does: "registers a host's public keys" },
  { method: "POST", path: "/hive/v1/hosts/:id/heartbeat", access: "host", does: "takes a host's report" },
];

const operators: readonly Route[] = [
  admin("GET", "/hive/v1/fleet", "read", "hosts, models, slots, queue"),
  admin("GET", "/hive/metrics", "read", "the same in Prometheus' text format"),
  { ...admin("GET", "/hive/v1/scale", "read", "wanted hosts and copies of models, and why"), access: "scale" },
  admin("POST", "/hive/v1/hosts/:id/drain", "hosts", "gives the host no new requests"),
  admin("POST", "/hive/v1/hosts/:id/resume", "hosts", "gives it requests again"),
  admin("DELETE", "/hive/v1/hosts/:id", "hosts", "forgets the host and its keys"),
  { method: "GET", path: "/hive/v1/usage", access: "client", does: "what was used; a client sees its own" },
  { method: "GET", path: "/hive/v1/requests/:id", access: "client", does: "why this host; a client sees its own" },
  admin("GET", "/hive/v1/tokens", "read", "tokens issued or seen, and which are revoked"),
  admin("POST", "/hive/v1/tokens", "tokens", "issues a token"),
  admin("DELETE", "/hive/v1/tokens/:id", "tokens", "revokes a token"),
  admin("DELETE", "/hive/v1/tokens", "tokens", "revokes all tokens of `?sub=NAME` issued until now"),
  admin("GET", "/hive/v1/audit", "read", "what operators did, newest first"),
  admin("POST", "/hive/v1/connections/closed", "hosts", "tells which client connections have closed"),
];

const clients: readonly Route[] = [
  { method: "HEAD", path: "/api/version", access: "client", does: "the same without a body" },
  { method: "GET", path: "/api/version", access: "client", does: "lowest Ollama version online" },
  { method: "HEAD", path: "/api/tags", access: "client", does: "the same without a body" },
  { method: "GET", path: "/api/tags", access: "client", does: "models the token may use" },
  { method: "GET", path: "/api/ps", access: "client", does: "those that are loaded" },
  { method: "GET", path: "/api/status", access: "client", does: "whether cloud models are off" },
  { method: "GET", path: "/v1/models", access: "client", does: "models, in OpenAI's form" },
  { method: "GET", path: "/v1/models/:model", access: "client", does: "one of them" },
  inference("/api/generate"),
  inference("/api/chat"),
  inference("/api/embed"),
  inference("/api/embeddings"),
  { method: "POST", path: "/api/show", access: "client", does: "what a model is" },
  inference("/v1/chat/completions"),
  inference("/v1/completions"),
  inference("/v1/embeddings"),
  inference("/v1/responses"),
  inference("/v1/messages"),
  inference("/v1/audio/transcriptions"),
  manage("POST", "/api/pull", "fetches a model to one host, or to more"),
  manage("POST", "/api/push", "publishes a model, from one of its hosts"),
  manage("POST", "/api/create", "makes a model, at the host of who makes it"),
  manage("HEAD", "/api/blobs/:digest", "asks that host for a file"),
  manage("POST", "/api/blobs/:digest", "uploads a file to it"),
  manage("POST", "/api/copy", "copies a model, wherever it is"),
  manage("DELETE", "/api/delete", "removes a model, wherever it is"),
];

/** Every route of the edge. */
export const ROUTES: readonly Route[] = [...open, ...hosts, ...operators, ...clients];

function admin(method: Route["method"], path: string, scope: AdminScope, does: string): Route {
  return { method, path, access: "admin", scope, does };
}

function manage(method: Route["method"], path: string, does: string): Route {
  return { method, path, access: "manage", does };
}

function inference(path: string): Route {
  return { method: "POST", path, access: "client", does: "runs a model" };
}
