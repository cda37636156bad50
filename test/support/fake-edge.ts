// An edge for tests of the agent: verifies what the agent signs as the real one does, records it, and signs tokens of the leg.
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { sha256Base64Url } from "../../src/auth/digest.ts";
import { verifyHostToken } from "../../src/auth/host-token.ts";
import { issueJoinToken, verifyJoinToken } from "../../src/auth/join-token.ts";
import { generateHiveKeys, importHiveKeys } from "../../src/auth/keys.ts";
import { deriveLegKey, signLegToken } from "../../src/auth/leg-token.ts";
import type { LegClaims } from "../../src/auth/leg-token.ts";
import { heartbeatSchema } from "../../src/wire/heartbeat.ts";
import type { Heartbeat, HeartbeatAnswer, Order } from "../../src/wire/heartbeat.ts";
import { joinRequestSchema } from "../../src/wire/host.ts";
import type { JoinRequest } from "../../src/wire/host.ts";

const ISSUER = "hive";
const INTERVAL_MS = 50;

export interface FakeEdge {
  readonly url: string;
  readonly hostId: string;
  /** Heartbeats whose signature, body hash, run and sequence were right, oldest first. */
  readonly beats: readonly Heartbeat[];
  readonly joins: readonly JoinRequest[];
  /** Why joins or heartbeats were turned away, oldest first. */
  readonly rejected: readonly string[];
  /** Time that passed since the start on a clock that is off by so much; tokens are judged and signed by it. */
  clockOffsetMs: number;
  /** False for an edge that tells its time only when asked, as plain workerd. */
  sendsDate: boolean;
  /** Status for all heartbeats instead of an answer. */
  refuseBeatsWith: number | undefined;
  /** Destroys heartbeats' connections unanswered. */
  away: boolean;
  resync: boolean;
  /** Told in answers to heartbeats. */
  intervalMs: number;
  invite(slots?: number): Promise<string>;
  /** Hands the order out with the next answer. */
  order(order: Order): void;
  /** The first heartbeat from now on, or of those seen since `from`, that fits. */
  beat(fits: (beat: Heartbeat) => boolean, from?: number): Promise<Heartbeat>;
  sign(claims: Partial<LegClaims> & { readonly body: Uint8Array }): Promise<string>;
  close(): Promise<void>;
}

/** Starts the edge; the agent under test registers with `invite()`. */
export async function startFakeEdge(): Promise<FakeEdge> {
  const imported = await importHiveKeys(JSON.stringify(await generateHiveKeys(Date.now())));
  if (!imported.ok) throw new Error(imported.error);
  const keys = imported.value;
  const beats: Heartbeat[] = [];
  const joins: JoinRequest[] = [];
  const rejected: string[] = [];
  const orders: Order[] = [];
  const watchers = new Set<() => void>();
  const hostId = "beehost";
  let leases = 0;
  const now = (): number => Date.now() + edge.clockOffsetMs;

  const join = async (request: IncomingMessage, body: Buffer): Promise<Answer> => {
    const invite = await verifyJoinToken(keys, bearerOf(request), { issuer: ISSUER, now: now() });
    const parsed = joinRequestSchema.safeParse(JSON.parse(body.toString()));
    if (!invite.ok || !parsed.success) return reject("join token or shape", 401);
    const { signingKey, agreementKey, proof } = parsed.data;
    const proven = await verifyHostToken(signingKey, proof, { hostId, issuer: ISSUER, now: now() });
    const bound = await sha256Base64Url(new TextEncoder().encode(`${signingKey.x}.${agreementKey.x}`));
    if (!proven.ok || proven.value.bodySha256 !== bound) return reject("proof of possession", 401);
    joins.push(parsed.data);
    const { slots } = invite.value;
    const edgeAgreementKey = keys.leg.publicJwk;
    return { status: 200, json: { hostId, edgeAgreementKey, issuer: ISSUER, heartbeatIntervalMs: INTERVAL_MS, slots } };
  };

  const heartbeat = async (request: IncomingMessage, body: Buffer): Promise<Answer> => {
    if (edge.refuseBeatsWith !== undefined) return reject("told to refuse", edge.refuseBeatsWith);
    const signingKey = joins.at(-1)?.signingKey;
    if (signingKey === undefined) return reject("heartbeat before a join", 401);
    const claims = await verifyHostToken(signingKey, bearerOf(request), { hostId, issuer: ISSUER, now: now() });
    if (!claims.ok || claims.value.bodySha256 !== (await sha256Base64Url(body))) return reject("host token", 401);
    const beat = heartbeatSchema.parse(JSON.parse(body.toString()));
    if (beat.runId !== claims.value.runId || beat.sequence !== claims.value.sequence) return reject("claims", 400);
    const last = beats.at(-1);
    if (last?.runId === beat.runId && last.sequence >= beat.sequence) return reject("sequence", 409);
    beats.push(beat);
    for (const watch of watchers) watch();
    const answer: HeartbeatAnswer = {
      intervalMs: edge.intervalMs,
      edgeTimeMs: now(),
      resync: edge.resync,
      orders: orders.splice(0),
    };
    return { status: 200, json: answer };
  };

  const reject = (reason: string, status: number): Answer => {
    rejected.push(reason);
    for (const watch of watchers) watch();
    return { status, json: { code: reason } };
  };

  const server = createServer((request, response) => {
    if (edge.away) request.socket.destroy();
    else void answerWith(request, response, { join, heartbeat }, () => ({ timeMs: now(), sendsDate: edge.sendsDate }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;

  const edge: FakeEdge = {
    url: `http://127.0.0.1:${port}`,
    hostId,
    beats,
    joins,
    rejected,
    clockOffsetMs: 0,
    sendsDate: true,
    refuseBeatsWith: undefined,
    away: false,
    resync: false,
    intervalMs: INTERVAL_MS,
    invite: async (slots) => {
      const invitation = { hostId, url: "http://127.0.0.1:1", pool: "default", region: "any" };
      const bound = slots === undefined ? invitation : { ...invitation, slots };
      return await issueJoinToken(keys, bound, { issuer: ISSUER, now: now() });
    },
    order: (order) => void orders.push(order),
    beat: async (fits, from = beats.length) =>
      await new Promise((resolve) => {
        const watch = (): void => {
          const found = beats.slice(from).find(fits);
          if (found === undefined) return;
          watchers.delete(watch);
          resolve(found);
        };
        watchers.add(watch);
        watch();
      }),
    sign: async ({ body, ...claims }) => {
      const peer = joins.at(-1)?.agreementKey;
      const runId = beats.at(-1)?.runId;
      if (peer === undefined || runId === undefined) throw new Error("no agent has joined and sent a heartbeat");
      const key = await deriveLegKey(keys.leg.privateKey, peer, hostId);
      leases += 1;
      return await signLegToken(key, {
        hostId,
        runId,
        leaseId: `lease-${leases}`,
        attempt: 1,
        method: "POST",
        path: "/api/chat",
        bodySha256: await sha256Base64Url(body),
        issuer: ISSUER,
        now: now(),
        ...claims,
      });
    },
    close: async () =>
      await new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return edge;
}

interface Answer {
  readonly status: number;
  readonly json: object;
}

type Route = (request: IncomingMessage, body: Buffer) => Promise<Answer>;

async function answerWith(
  request: IncomingMessage,
  response: ServerResponse,
  routes: { join: Route; heartbeat: Route },
  clock: () => { readonly timeMs: number; readonly sendsDate: boolean },
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const route = request.url?.endsWith("/join") === true ? routes.join : routes.heartbeat;
  const isKnown = request.method === "POST" && /^\/hive\/v1\/hosts\/beehost\/(join|heartbeat)$/.test(request.url ?? "");
  const { timeMs, sendsDate } = clock();
  const answer = isKnown
    ? await route(request, Buffer.concat(chunks))
    : { status: 200, json: { status: "ok", timeMs } };
  response.sendDate = false;
  if (sendsDate) response.setHeader("date", new Date(timeMs).toUTCString());
  response.setHeader("content-type", "application/json");
  response.statusCode = answer.status;
  response.end(JSON.stringify(answer.json));
}

function bearerOf(request: IncomingMessage): string {
  return request.headers.authorization?.replace("Bearer ", "") ?? "";
}
