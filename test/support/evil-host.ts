// A host that misbehaves: it joins with keys of its own as an agent does, and then answers whatever a test wants.
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { decodeJwt } from "jose";
import { sha256Base64Url } from "../../src/auth/digest.ts";
import { generateHostKeys, importHostKeys, signHostToken } from "../../src/auth/host-token.ts";
import type { HostKeys } from "../../src/auth/host-token.ts";
import type { Heartbeat } from "../../src/wire/heartbeat.ts";
import { LEG_CONTENT_TYPE } from "../../src/wire/leg.ts";

export interface EvilHost {
  readonly hostId: string;
  readonly url: string;
  readonly keys: HostKeys;
  readonly runId: string;
  /** What reached it, but for challenges. */
  readonly received: {
    readonly headers: IncomingMessage["headers"];
    readonly raw: readonly string[];
    readonly body: string;
  }[];
  /** Answers the next requests on the leg. */
  answer: (response: ServerResponse) => void;
  /** Whether it proves itself when the edge asks through its address. */
  answersChallenges: boolean;
  join(token: string): Promise<Response>;
  /** Sends a heartbeat; `as` is the host it claims to be. */
  beat(part?: Partial<Heartbeat>, as?: string): Promise<Response>;
  close(): Promise<void>;
}

const CHALLENGE = "/hive/v1/challenge";

/** Starts one that lists `model`; it has not joined yet. */
export async function startEvilHost(edgeUrl: string, hostId: string, model: string): Promise<EvilHost> {
  const imported = await importHostKeys(await generateHostKeys());
  if (!imported.ok) throw new Error(imported.error);
  const keys = imported.value;
  const runId = crypto.randomUUID();
  const received: EvilHost["received"] = [];
  let sequence = 0;
  let memory: string | undefined;

  const sign = async (
    body: Buffer,
    as = hostId,
    beat: { runId: string; sequence: number } = { runId, sequence: 0 },
  ): Promise<string> => {
    const bodySha256 = await sha256Base64Url(body);
    return await signHostToken(keys, { hostId: as, ...beat, bodySha256, issuer: "hive", now: Date.now() });
  };
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    if (request.url === CHALLENGE) {
      const proof = await sign(Buffer.concat([Buffer.from("hive challenge "), body]));
      const text = JSON.stringify({ proof: host.answersChallenges ? proof : "x.y.z" });
      response.writeHead(200, { "content-type": "application/json", "content-length": text.length }).end(text);
      return;
    }
    received.push({ headers: request.headers, raw: request.rawHeaders, body: body.toString() });
    host.answer(response);
  };
  const server = createServer((request, response) => void handle(request, response));
  const port = await listen(server);

  const host: EvilHost = {
    hostId,
    url: `http://127.0.0.1:${String(port)}`,
    keys,
    runId,
    received,
    answer: (response) => response.end(),
    answersChallenges: true,
    join: async (token) => {
      const { signingKey, agreementKey } = keys;
      const proof = await sign(Buffer.from(`${signingKey.x}.${agreementKey.x}`));
      const invited = String(decodeJwt(token)["hostId"]);
      return await post(`${edgeUrl}/hive/v1/hosts/${invited}/join`, token, { signingKey, agreementKey, proof });
    },
    beat: async (part = {}, as = hostId) => {
      for (;;) {
        sequence += 1;
        const beat = { ...report(model), runId, sequence, ...(memory === undefined ? {} : { memory }), ...part };
        const body = Buffer.from(JSON.stringify(beat));
        const token = await sign(body, as, { runId: beat.runId, sequence: beat.sequence });
        const response = await post(`${edgeUrl}/hive/v1/hosts/${as}/heartbeat`, token, beat);
        if (response.status !== 409) return response;
        const refusal = (await response.clone().json()) as { code: string; memory?: string };
        if (refusal.code !== "new_cell" || "memory" in part) return response;
        memory = refusal.memory;
      }
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return host;
}

/** Ends an answer on the leg as an agent would: head line, then the body. */
export function answerLeg(response: ServerResponse, head: object, body: string): void {
  response.writeHead(200, { "content-type": LEG_CONTENT_TYPE });
  response.end(`${JSON.stringify(head)}\n${body}`);
}

async function post(url: string, token: string, body: object): Promise<Response> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  return await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

function report(model: string): Omit<Heartbeat, "runId" | "sequence"> {
  const digest = "e".repeat(64);
  return {
    agentVersion: "0.1.0",
    ollamaVersion: "0.33.0",
    backend: "up",
    models: [{ name: model, digest, sizeBytes: 1, modifiedAt: "2026-01-01T00:00:00Z", capabilities: ["completion"] }],
    running: [],
    slots: 4,
    parallel: 4,
    active: [],
    finished: [],
  };
}
