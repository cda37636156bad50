// The gate: nothing passes that the edge did not sign for this host, run, lease, path and body. To all else one empty 401.
import type { IncomingMessage, ServerResponse } from "node:http";
import { sha256Base64Url } from "../auth/digest.ts";
import type { deriveLegKey } from "../auth/leg-token.ts";
import { verifyLegToken } from "../auth/leg-token.ts";
import type { VerifiedLeg } from "../auth/leg-token.ts";
import { LEG_TOKEN_HEADER } from "../wire/leg.ts";
import type { EdgeClock } from "./edge-clock.ts";
import type { Leases } from "./leases.ts";
import { MAX_BODY_BYTES, readBody } from "./read-body.ts";
import { relay } from "./relay.ts";
import type { RelayDeps } from "./relay.ts";
import { ReplayCache } from "./replay-cache.ts";

/** Paths that run a model, and whether they take a slot. Nothing else of Ollama can be reached. */
const RELAYED: ReadonlyMap<string, { readonly counted: boolean }> = new Map([
  ["/api/chat", { counted: true }],
  ["/api/generate", { counted: true }],
  ["/api/embed", { counted: true }],
  ["/api/embeddings", { counted: true }],
  ["/api/show", { counted: false }],
  ["/v1/chat/completions", { counted: true }],
  ["/v1/completions", { counted: true }],
  ["/v1/embeddings", { counted: true }],
  ["/v1/responses", { counted: true }],
  ["/v1/messages", { counted: true }],
]);
const CANCEL_PATH = "/hive/v1/cancel";

export interface GateDeps {
  readonly legKey: Awaited<ReturnType<typeof deriveLegKey>>;
  readonly hostId: string;
  readonly runId: string;
  readonly issuer: string;
  readonly clock: EdgeClock;
  readonly leases: Leases;
  readonly relay: Omit<RelayDeps, "onEnded">;
}

/** Handles one request of whoever reached this port. */
export class Gate {
  readonly #deps: GateDeps;
  readonly #replays = new ReplayCache();

  constructor(deps: GateDeps) {
    this.#deps = deps;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const leg = await this.#admit(request);
    if (leg === undefined) return refuse(request, response, 401);
    if (leg.runId !== this.#deps.runId) return refuse(request, response, 421);
    if (leg.path === CANCEL_PATH) {
      this.#deps.leases.cancel(leg.leaseId);
      response.writeHead(204).end();
      return;
    }
    await this.#work(leg, request, response);
  }

  /** All that must hold before a byte of the body is looked at. */
  async #admit(request: IncomingMessage): Promise<VerifiedLeg | undefined> {
    const token = request.headers[LEG_TOKEN_HEADER];
    if (typeof token !== "string" || request.method !== "POST") return undefined;
    const { legKey, hostId, issuer, clock } = this.#deps;
    const verified = await verifyLegToken(legKey, token, { hostId, issuer, now: clock.now() });
    if (!verified.ok) return undefined;
    const leg = verified.value;
    if (leg.path !== request.url || leg.method !== "POST") return undefined;
    if (!RELAYED.has(leg.path) && leg.path !== CANCEL_PATH) return undefined;
    if (Number(request.headers["content-length"] ?? 0) > MAX_BODY_BYTES) return undefined;
    return this.#replays.use(leg.jti, leg.expiresAt, clock.now()) ? leg : undefined;
  }

  async #work(leg: VerifiedLeg, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { leases, clock } = this.#deps;
    const lease = leases.take(leg.leaseId, leg.model ?? "", RELAYED.get(leg.path)?.counted ?? true);
    if (lease === undefined) return refuse(request, response, 503);
    const body = await readBody(request);
    if (body === undefined || (await sha256Base64Url(body)) !== leg.bodySha256) {
      leases.end(lease, { outcome: "cancelled" });
      return refuse(request, response, 401);
    }
    const deadlineInMs = leg.deadlineAt === undefined ? undefined : leg.deadlineAt - clock.now();
    await relay(
      { path: leg.path, request, response, body, lease, deadlineInMs },
      { ...this.#deps.relay, onEnded: (report) => leases.end(lease, report) },
    );
  }
}

/** The same bytes for every cause, and no word of who answers. */
function refuse(request: IncomingMessage, response: ServerResponse, status: 401 | 421 | 503): void {
  if (response.destroyed) return;
  response.writeHead(status, { "content-length": "0", connection: "close" });
  response.end();
  request.resume();
}
