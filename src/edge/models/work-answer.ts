// What a client is told of work at several hosts: one Ollama's answer.
import { contentTypeOf, isStream, readWhole } from "../request/answer.ts";
import type { HostAnswer } from "./model-work.ts";
import { refuse } from "../refuse.ts";

export interface WholeAnswer {
  readonly hostId: string;
  readonly status: number;
  readonly contentType: string | undefined;
  readonly body: Uint8Array;
}

/** True where every host that answers streams its progress. */
export function areStreams(answers: readonly HostAnswer[]): boolean {
  const legs = answers.flatMap(({ leg }) => (leg.ok ? [leg.value] : []));
  return legs.length > 0 && legs.every((leg) => leg.head.status === 200 && isStream(contentTypeOf(leg)));
}

/** Every answer whole; a host that was lost has none. */
export async function readAnswers(answers: readonly HostAnswer[]): Promise<readonly (WholeAnswer | undefined)[]> {
  return await Promise.all(
    answers.map(async ({ hostId, leg }) => {
      if (!leg.ok) return undefined;
      const { status, headers, error } = leg.value.head;
      if (error !== undefined) return { hostId, status, ...failedLoad(error) };
      const body = await readWhole(leg.value);
      if (body === undefined) return undefined;
      return {
        hostId,
        status,
        body,
        contentType: headers["content-type"] === undefined ? undefined : contentTypeOf(leg.value),
      };
    }),
  );
}

/** What Ollama said about a load that the agent had asked for comes in the leg's head. */
function failedLoad(error: string): Pick<WholeAnswer, "contentType" | "body"> {
  return { contentType: "application/json; charset=utf-8", body: new TextEncoder().encode(JSON.stringify({ error })) };
}

/**
 * One answer for all: where every host did it, the first; else the first failure, with the host's id where others did it.
 * A 404 beside successes is no failure: what is gone there was to be gone, or is loaded no more.
 */
export function combine(answers: readonly (WholeAnswer | undefined)[], headers: Record<string, string>): Response {
  const done = answers.filter((answer) => answer !== undefined && answer.status < 300);
  const failed = answers.find((answer) => answer !== undefined && answer.status >= 300 && answer.status !== 404);
  const chosen = failed ?? done[0] ?? answers[0];
  if (chosen === undefined || (failed === undefined && answers.includes(undefined))) {
    const message = done.length > 0 ? "hive: some hosts stopped answering" : "hive: no host answered";
    return refuse("ollama", { code: "attempts_failed", message });
  }
  return toResponse(chosen, headers, failed !== undefined && done.length > 0);
}

function toResponse(answer: WholeAnswer, headers: Record<string, string>, isPartial: boolean): Response {
  const type: Record<string, string> = answer.contentType === undefined ? {} : { "content-type": answer.contentType };
  const text = isPartial ? nameHost(answer) : answer.body;
  return new Response(text, { status: answer.status, headers: { ...headers, ...type } });
}

/** `{"error":"…"}` with the host's id before the text. */
function nameHost({ hostId, body }: WholeAnswer): Uint8Array | string {
  try {
    const told: unknown = JSON.parse(new TextDecoder().decode(body));
    const error = typeof told === "object" && told !== null && "error" in told ? told.error : undefined;
    return typeof error === "string" ? JSON.stringify({ error: `${hostId}: ${error}` }) : body;
  } catch {
    return body;
  }
}
