// The answers of several hosts as that of one Ollama.
import { expect, it } from "vitest";
import { combine, readAnswers } from "../../src/edge/models/work-answer.ts";
import type { LegHead } from "../../src/wire/leg.ts";

function answerOf(hostId: string, head: LegHead, text = "") {
  const leftover = new TextEncoder().encode(text);
  const rest = new Response("").body;
  if (rest === null) throw new Error("no body");
  return { hostId, leg: { ok: true, value: { head, leftover, rest } } } as const;
}

const LOADED = { status: 200, headers: { "content-type": "application/json; charset=utf-8" } };
const FAILED = { status: 500, headers: {}, error: "model requires more system memory" };

it("says in Ollama's words why a load has failed, and where, if not everywhere", async () => {
  const alone = combine(await readAnswers([answerOf("a", FAILED)]), {});
  expect([alone.status, await alone.json()]).toEqual([500, { error: FAILED.error }]);
  const one = combine(await readAnswers([answerOf("a", LOADED, '{"done":true}'), answerOf("b", FAILED)]), {});
  expect([one.status, await one.json()]).toEqual([500, { error: `b: ${FAILED.error}` }]);
});
