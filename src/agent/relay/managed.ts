// Management of models: what a token with scope `manage` may make Ollama do. However long it takes, it takes no slot, and its
// answer ends once the cell has heard what has changed, so that whoever asks next is told the truth.
import type { IncomingMessage, ServerResponse } from "node:http";
import { blobDigestOf } from "./blob-upload.ts";
import { faultOf } from "../call.ts";
import type { CurrentLimits } from "../current-limits.ts";
import type { Lease, LeaseReport } from "./leases.ts";
import { LegWriter } from "./leg-writer.ts";
import type { OllamaClient, OllamaMethod, OllamaRequest } from "./ollama-client.ts";
import { postToOllama } from "./ollama-client.ts";
import { pump } from "./pump.ts";
import { recordFormatOf } from "./records.ts";
import { unlessAborted } from "../when-aborted.ts";

const MANAGED: ReadonlyMap<string, OllamaMethod> = new Map([
  ["/api/pull", "POST"],
  ["/api/push", "POST"],
  ["/api/create", "POST"],
  ["/api/copy", "POST"],
  ["/api/delete", "DELETE"],
]);
/** Ollama says nothing while it verifies a large file or quantizes one: half a day is more than either takes. */
const SILENCE_MS = 12 * 3_600_000;

/** The method by which a path manages models, asking for a blob included; undefined for any other path. */
export function managedMethodOf(path: string): OllamaMethod | undefined {
  return blobDigestOf(path) === undefined ? MANAGED.get(path) : "HEAD";
}

export type ManagedCall = {
  readonly path: string;
  readonly method: OllamaMethod;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: Buffer;
  readonly lease: Lease;
};

export type ManagedDeps = {
  readonly ollama: OllamaClient;
  readonly limits: CurrentLimits;
  /** Tells the cell what is now, and resolves when it has heard. */
  readonly report: () => Promise<void>;
};

/** Relays one call to its end and tells how it went; never rejects. */
export async function relayManaged(call: ManagedCall, deps: ManagedDeps): Promise<LeaseReport> {
  const gone = new AbortController();
  call.response.once("close", () => gone.abort());
  const signal = AbortSignal.any([gone.signal, call.lease.signal]);
  const leg = new LegWriter(call.response, deps.limits.get().keepAliveMs, () => undefined);
  const { method, path, body } = call;
  const headers = { "content-type": call.request.headers["content-type"] ?? "application/json" };
  const sent = postToOllama(deps.ollama, { method, path, body, headers });
  try {
    return await copy(leg, sent, deps, signal);
  } catch (cause) {
    const left = signal.aborted;
    await sent.end();
    if (left || leg.headSent) leg.destroy();
    else {
      leg.head({ status: 502, headers: {}, failure: `ollama: ${faultOf(cause)}`.slice(0, 200) }, "opaque");
      leg.end();
    }
    return { outcome: left ? "cancelled" : "failed" };
  }
}

/** Clients take this record for the end, and ask for the model at once. */
function isLast(record: Buffer): boolean {
  return record.includes('"status":"success"');
}

async function copy(
  leg: LegWriter,
  sent: OllamaRequest,
  { report }: ManagedDeps,
  signal: AbortSignal,
): Promise<LeaseReport> {
  const answer = await unlessAborted(sent.answer, signal);
  const type = answer.headers["content-type"];
  const format = recordFormatOf(type);
  leg.head({ status: answer.statusCode ?? 502, headers: type === undefined ? {} : { "content-type": type } }, format);
  let outcome: LeaseReport = { outcome: "failed" };
  const onWhole = async (whole: LeaseReport): Promise<void> => {
    outcome = whole;
    await report();
  };
  const copied = pump(answer, leg, { format, stallMs: SILENCE_MS, isStructured: () => false, isLast, onWhole });
  await unlessAborted(copied, signal);
  return outcome;
}
