// The edge, as a table of contents: which route, for whom, handled where.
import { Hono } from "hono";
import type { Context } from "hono";
import { readClientPath } from "./client-path.ts";
import { cors } from "./cors.ts";
import type { HonoEnv } from "./env.ts";
import { prepareRequest, requireRole } from "./middleware.ts";
import { refuse, styleOf } from "./refuse.ts";
import {
  listOpenAiModels,
  listRunning,
  listTags,
  showOpenAiModel,
  showStatus,
  showVersion,
} from "./routes/aggregate.ts";
import { connectionsClosed } from "./routes/connections.ts";
import { joinHost, recordHeartbeat } from "./routes/hosts.ts";
import { inferenceRoutes } from "./routes/inference.ts";
import { readFleet, removeHost, setDrained } from "./routes/operators.ts";

export const app = new Hono<HonoEnv>({ getPath: (request: Request) => readClientPath(request.url).path });

const anyone = requireRole("client", "admin");
const admin = requireRole("admin");
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

// Open to all.
app.get("/", (c) => c.text("Ollama is running"));
app.get("/hive/healthz", (c) => c.json({ status: "ok" }));

app.use(prepareRequest, cors);
app.get("/.well-known/jwks.json", (c) => c.json(c.var.prepared.keys.jwks));

// Hosts prove themselves: with an invite once, then with their own key.
app.post("/hive/v1/hosts/:id/join", joinHost);
app.post("/hive/v1/hosts/:id/heartbeat", recordHeartbeat);

// Operators.
app.use("/hive/*", admin);
app.get("/hive/v1/fleet", readFleet);
app.post("/hive/v1/hosts/:id/drain", setDrained(true));
app.post("/hive/v1/hosts/:id/resume", setDrained(false));
app.delete("/hive/v1/hosts/:id", removeHost);
app.post("/hive/v1/connections/closed", connectionsClosed);

// Clients: a drop-in Ollama.
app.use(anyone);
app
  .get("/api/version", showVersion)
  .get("/api/tags", listTags)
  .get("/api/ps", listRunning)
  .get("/api/status", showStatus)
  .get("/v1/models", listOpenAiModels)
  .get("/v1/models/:model", showOpenAiModel);
for (const { path, handler } of inferenceRoutes) app.post(path, handler);

// Ollama's words for a known path with another method, and for everything else.
for (const path of ["/api/version", "/api/tags", "/api/ps", "/api/status", "/v1/models", "/v1/models/:model"])
  app.on(METHODS, path, wrongMethod("GET"));
for (const { path } of inferenceRoutes) app.on(METHODS, path, wrongMethod("POST"));
app.notFound((c) => {
  const style = styleOf(readClientPath(c.req.url).path);
  return style === "hive"
    ? refuse(style, { code: "not_found", message: "no such route" })
    : plain(c, 404, "404 page not found");
});

app.onError((cause, c) => {
  console.error(JSON.stringify({ event: "unexpected", requestId: c.var.requestId, name: cause.name }));
  return refuse(styleOf(readClientPath(c.req.url).path), {
    code: "cell_unavailable",
    message: "hive: cannot serve this request now",
  });
});

function wrongMethod(allowed: string) {
  return (c: Context<HonoEnv>) => plain(c, 405, "405 method not allowed", { allow: allowed });
}

function plain(c: Context<HonoEnv>, status: 404 | 405, text: string, headers: Record<string, string> = {}): Response {
  return c.body(text, status, { "content-type": "text/plain; charset=utf-8", ...headers });
}
