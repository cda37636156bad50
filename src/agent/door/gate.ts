// The gate: nothing passes that the edge did not sign for this host, run, lease, path and body. To all else one empty 401.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { deriveLegKey } from "../../auth/leg-token.ts";
import { verifyLegToken } from "../../auth/leg-token.ts";
import type { VerifiedLeg } from "../../auth/leg-token.ts";
import { LEG_TOKEN_HEADER } from "../../wire/leg.ts";
import { blobDigestOf, relayUpload } from "../relay/blob-upload.ts";
import { managedMethodOf, relayManaged } from "../relay/managed.ts";
import { readRunnerOptions } from "../../wire/runner-options.ts";
import type { EdgeClock } from "../edge-clock.ts";
import type { Lease, Leases } from "../relay/leases.ts";
import type { LoadWish } from "../relay/loads.ts";
import type { Log } from "../log.ts";
import { readBody } from "../relay/read-body.ts";
import { relay } from "../relay/relay.ts";
import type { RelayDeps } from "../relay/relay.ts";
import { ReplayCache } from "./replay-cache.ts";
import { refuse } from "./server.ts";

interface RelayedPath {
  /** Whether it takes a slot. */
  readonly counted: boolean;
  /** The endpoint that brings its model into memory. */
  readonly loadedBy?: LoadWish["by"];
}

const GENERATES: RelayedPath = { counted: true, loadedBy: "generate" };
const EMBEDS: RelayedPath = { counted: true, loadedBy: "embed" };
/** Paths that reach Ollama; nothing else does. */
const RELAYED: ReadonlyMap<string, RelayedPath> = new Map([
  ["/api/chat", GENERATES],
  ["/api/generate", GENERATES],
  ["/api/embed", EMBEDS],
  ["/api/embeddings", EMBEDS],
  ["/api/show", { counted: false }],
  ["/v1/chat/completions", GENERATES],
  ["/v1/completions", GENERATES],
  ["/v1/embeddings", EMBEDS],
  ["/v1/responses", GENERATES],
  ["/v1/messages", GENERATES],
  ["/v1/audio/transcriptions", GENERATES],
]);
const CANCEL_PATH = "/hive/v1/cancel";
const CHALLENGE_PATH = "/hive/v1/challenge";
const NOT_ITS_BODY = "the body is not the token's";
const REFUSAL_LOG_GAP_MS = 1_000;

export interface GateDeps {
  readonly legKey: Awaited<ReturnType<typeof deriveLegKey>>;
  readonly hostId: string;
  readonly runId: string;
  readonly issuer: string;
  readonly clock: EdgeClock;
  readonly leases: Leases;
  readonly log: Log;
  /** Signs what a challenge asked, with the host's own key. */
  readonly answerChallenge: (nonce: Buffer) => Promise<string>;
  readonly relay: Omit<RelayDeps, "onEnding" | "onForced" | "onEnded" | "onChanged">;
  /** A request was cancelled: the next heartbeat is the proof. */
  readonly onCancelled: () => void;
  /** Tells the cell what is now, and resolves when it has heard. */
  readonly report: () => Promise<void>;
  /** Whether the cell has heard that a model is in memory. */
  readonly hasTold: (model: string) => boolean;
}

/** Handles one request of whoever reached this port. */
export class Gate {
  readonly #deps: GateDeps;
  readonly #replays = new ReplayCache();
  #loggedAt = Number.NEGATIVE_INFINITY;
  #unlogged = 0;

  constructor(deps: GateDeps) {
    this.#deps = deps;
  }

  /** `expectsContinue`: the sender waits for `100 Continue`, which only a proven token gets. */
  async handle(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): Promise<void> {
    const leg = await this.#prove(request);
    if (typeof leg === "string") return this.#refuse(response, 401, leg);
    if (leg.runId !== this.#deps.runId) return this.#refuse(response, 421, "the token is for another run");
    const goOn = (): void => {
      if (expectsContinue) response.writeContinue();
    };
    if (leg.path === CHALLENGE_PATH) await this.#answer(leg, request, response, goOn);
    else if (leg.path === CANCEL_PATH) await this.#cancel(leg, request, response, goOn);
    else if (isUpload(leg)) await this.#upload(leg, request, response, goOn);
    else if (managedMethodOf(leg.path) !== undefined) await this.#manage(leg, request, response, goOn);
    else await this.#work(leg, request, response, goOn);
  }

  async #upload(leg: VerifiedLeg, request: IncomingMessage, response: ServerResponse, goOn: () => void): Promise<void> {
    const { leases, relay: deps } = this.#deps;
    const lease = leases.take(leg.leaseId, "", false);
    if (lease === undefined) return this.#refuse(response, 503, "no lease for an upload");
    goOn();
    const outcome = await relayUpload(
      { path: leg.path, request, response, signal: lease.signal },
      { ollama: deps.ollama, keepAliveMs: deps.limits.get().keepAliveMs },
    );
    leases.end(lease, { outcome });
  }

  async #manage(leg: VerifiedLeg, request: IncomingMessage, response: ServerResponse, goOn: () => void): Promise<void> {
    const { leases, relay: deps, report } = this.#deps;
    // Listed without a model: the cell counts nothing of it, but lets nobody stop this host meanwhile.
    const lease = leases.take(leg.leaseId, "", false);
    const method = managedMethodOf(leg.path);
    if (lease === undefined || method === undefined) return this.#refuse(response, 503, "no lease for this work");
    goOn();
    const body = await provenBody(request, leg);
    if (body === undefined) {
      leases.end(lease, { outcome: "cancelled" });
      return this.#refuse(response, 401, NOT_ITS_BODY);
    }
    const { ollama, limits } = deps;
    leases.end(
      lease,
      await relayManaged({ path: leg.path, method, request, response, body, lease }, { ollama, limits, report }),
    );
  }

  /** The edge asks through the hostname whether it leads to the agent with this host's key. */
  async #answer(leg: VerifiedLeg, request: IncomingMessage, response: ServerResponse, goOn: () => void): Promise<void> {
    goOn();
    const nonce = await provenBody(request, leg);
    if (nonce === undefined) return this.#refuse(response, 401, NOT_ITS_BODY);
    const text = JSON.stringify({ proof: await this.#deps.answerChallenge(nonce) });
    response.writeHead(200, { "content-type": "application/json", "content-length": text.length }).end(text);
  }

  async #cancel(leg: VerifiedLeg, request: IncomingMessage, response: ServerResponse, goOn: () => void): Promise<void> {
    goOn();
    if ((await provenBody(request, leg)) === undefined) return this.#refuse(response, 401, NOT_ITS_BODY);
    this.#deps.leases.cancel(leg.leaseId);
    response.writeHead(204).end();
  }

  async #work(leg: VerifiedLeg, request: IncomingMessage, response: ServerResponse, goOn: () => void): Promise<void> {
    const { leases, clock, relay: deps } = this.#deps;
    // An operator's load or unload is no client's request: it takes no slot, and the cell keeps no books of it.
    const managed = leg.scope === "manage";
    const counted = !managed && (RELAYED.get(leg.path)?.counted ?? true);
    const lease = leases.take(leg.leaseId, leg.model ?? "", counted, !managed);
    if (lease === undefined) return this.#refuse(response, 503, "all slots are taken");
    goOn();
    const body = await provenBody(request, leg);
    if (body === undefined) {
      leases.end(lease, { outcome: "cancelled" });
      return this.#refuse(response, 401, NOT_ITS_BODY);
    }
    const deadlineInMs = leg.deadlineAt === undefined ? undefined : leg.deadlineAt - clock.now();
    await relay(
      { path: leg.path, request, response, body, lease, deadlineInMs, wish: wishOf(leg) },
      { ...deps, ...this.#accounting(lease) },
    );
  }

  /** Keeps the books of one lease. */
  #accounting(lease: Lease): Pick<RelayDeps, "onEnding" | "onForced" | "onEnded" | "onChanged"> {
    const { leases, log, onCancelled, report, hasTold } = this.#deps;
    return {
      onEnding: () => void (lease.ending = true),
      onForced: () => {
        leases.noteForced();
        log({ event: "cancel-forced", leaseId: lease.id, model: lease.model });
      },
      onEnded: (outcome) => {
        leases.end(lease, outcome);
        if (outcome.outcome === "cancelled") onCancelled();
      },
      onChanged: async (model, unloaded) => {
        if (unloaded || (model !== undefined && !hasTold(model))) await report();
      },
    };
  }

  /** All that must hold before a byte of the body is looked at; else, for the log alone, what does not. */
  async #prove(request: IncomingMessage): Promise<VerifiedLeg | string> {
    const path = request.url ?? "";
    if (request.method !== "POST") return "the method is not POST";
    if (!isOfTheLeg(path)) return "the path is none of the leg's";
    const token = request.headers[LEG_TOKEN_HEADER];
    if (typeof token !== "string") return "no token";
    const { legKey, hostId, issuer, clock } = this.#deps;
    const verified = await verifyLegToken(legKey, token, { hostId, issuer, now: clock.now() });
    if (!verified.ok) return `the token is ${verified.error.code}: ${verified.error.reason}`;
    const leg = verified.value;
    if (leg.path !== path || !methodsOf(path).includes(leg.method)) return "the token is for another path or method";
    if (!mayManage(leg)) return "the token does not open this work on models";
    return this.#replays.use(leg.jti, leg.expiresAt, clock.now()) ? leg : "the token was used before";
  }

  /** Strangers can knock as often as they like: they get one log line a second between them. */
  #refuse(response: ServerResponse, status: 401 | 421 | 503, reason: string): void {
    refuse(response, status);
    this.#unlogged += 1;
    const now = performance.now();
    if (now - this.#loggedAt < REFUSAL_LOG_GAP_MS) return;
    this.#deps.log({ event: "refused", status, reason, count: this.#unlogged });
    this.#loggedAt = now;
    this.#unlogged = 0;
  }
}

function isOfTheLeg(path: string): boolean {
  return RELAYED.has(path) || path === CANCEL_PATH || path === CHALLENGE_PATH || managedMethodOf(path) !== undefined;
}

/** The leg itself is always a POST; these are what its token may make of it at Ollama. */
function methodsOf(path: string): readonly string[] {
  if (blobDigestOf(path) !== undefined) return ["POST", "HEAD"];
  return [managedMethodOf(path) ?? "POST"];
}

function isUpload({ path, method }: VerifiedLeg): boolean {
  return blobDigestOf(path) !== undefined && method === "POST";
}

/** What changes a host's models needs the scope; an upload's token names the blob as the path does. */
function mayManage(leg: VerifiedLeg): boolean {
  if (managedMethodOf(leg.path) === undefined) return true;
  return leg.scope === "manage" && (!isUpload(leg) || leg.bodySha256 === blobDigestOf(leg.path));
}

function wishOf({ path, model, runner }: VerifiedLeg): LoadWish | undefined {
  const by = RELAYED.get(path)?.loadedBy;
  // Options of another kind than Ollama's are for Ollama to refuse.
  if (by === undefined || model === undefined || readRunnerOptions(runner ?? "") === undefined) return undefined;
  return { model, runner: runner ?? "", by };
}

/** The body, if it is whole and the one that the token was signed for. */
async function provenBody(request: IncomingMessage, leg: VerifiedLeg): Promise<Buffer | undefined> {
  const body = await readBody(request);
  return body?.sha256 === leg.bodySha256 ? body?.bytes : undefined;
}
