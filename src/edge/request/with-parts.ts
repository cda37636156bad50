// A large batch of embeddings on as many hosts as have room: each part is a request of its own, joined in order when all are there.
import type { Context } from "hono";
import { sha256Base64Url } from "../../auth/digest.ts";
import { joinBatch, splitBatch } from "./embed-split.ts";
import type { HonoEnv } from "../env.ts";
import { withLease } from "./with-lease.ts";
import type { LeasedRequest } from "./with-lease.ts";

/** Runs a request, in parts where it is a large batch; the first part that is refused or fails is the answer. */
export async function withParts(c: Context<HonoEnv>, request: LeasedRequest): Promise<Response> {
  const { forwarded, lease } = request;
  const { body, path } = forwarded;
  // A model that is unloaded when the batch is done must not be loaded for each part.
  const isSplit = lease.kind === "embed" && !lease.unloads && body instanceof Uint8Array;
  const bodies = isSplit ? splitBatch(path, body) : undefined;
  if (bodies === undefined) return await withLease(c, request);
  const failed = new AbortController();
  const gone = request.gone === undefined ? failed.signal : AbortSignal.any([request.gone, failed.signal]);
  const answers = await Promise.all(
    bodies.map(async (part, index) => {
      const answer = await withLease(c, await partOf({ ...request, gone }, part, { index, of: bodies.length }));
      // Nobody needs the others any more.
      if (answer.status !== 200) failed.abort();
      return answer;
    }),
  );
  const bad = answers.find(({ status }) => status !== 200 && status !== CANCELLED) ?? answers.find((a) => !a.ok);
  if (bad !== undefined) return bad;
  const whole = joinBatch(path, await Promise.all(answers.map(async (answer) => await bytesOf(answer))));
  if (whole === undefined)
    return request.refuse({ code: "attempts_failed", detail: "a part of the batch came back odd" });
  return new Response(whole, { status: 200, headers: joinHeaders(answers) });
}

/** What parts answer that were given up because another failed. */
const CANCELLED = 503;

async function partOf(
  request: LeasedRequest,
  body: Uint8Array,
  { index, of }: { index: number; of: number },
): Promise<LeasedRequest> {
  const { lease, forwarded } = request;
  return {
    ...request,
    lease: {
      ...lease,
      requestId: index === 0 ? lease.requestId : `${lease.requestId}-${index + 1}`,
      promptBytes: Math.ceil(lease.promptBytes / of),
      part: index,
    },
    forwarded: { ...forwarded, body, bodySha256: await sha256Base64Url(body) },
  };
}

async function bytesOf(answer: Response): Promise<Uint8Array> {
  return new Uint8Array(await answer.arrayBuffer());
}

/** As those of one answer, with all the hosts. */
function joinHeaders(answers: readonly Response[]): Headers {
  const headers = new Headers(answers[0]?.headers);
  headers.delete("content-length");
  const hosts = new Set(answers.map((answer) => answer.headers.get("hive-host") ?? ""));
  headers.set("hive-host", [...hosts].join(","));
  for (const name of ["hive-attempts", "hive-queue-ms"]) {
    headers.set(name, String(Math.max(...answers.map((answer) => Number(answer.headers.get(name) ?? 0)))));
  }
  return headers;
}
