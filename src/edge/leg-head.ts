// Reads an answer of the leg up to its head line; what follows are Ollama's raw bytes.
import { LEG_HEAD_MAX_BYTES, LEG_KEEP_ALIVE_MS, legHeadSchema } from "../wire/leg.ts";
import type { LegHead } from "../wire/leg.ts";
import type { Result } from "../wire/result.ts";

const NEWLINE = 0x0a;
/** Three missed keep-alives: the path or the agent is dead. */
const SILENCE_MS = 3 * LEG_KEEP_ALIVE_MS;
/** `response.created` repeats the request's instructions and tools; a longer one is passed on unread. */
const FIRST_EVENT_MAX_BYTES = 256 * 1024;
/** Ollama sends its header together with the first event. */
const FIRST_EVENT_SILENCE_MS = 60_000;

export interface OpenLeg {
  readonly head: LegHead;
  /** Bytes of the answer that arrived together with the head line. */
  readonly leftover: Uint8Array;
  /** The rest, unlocked, ready for a native pipe. */
  readonly rest: ReadableStream<Uint8Array>;
}

/** Skips keep-alive newlines and parses the head line. Fails with a reason for the log. */
export async function readLegHead(stream: ReadableStream<Uint8Array>): Promise<Result<OpenLeg, string>> {
  const reader = stream.getReader();
  let line = new Uint8Array(0);
  for (;;) {
    const part = await readWithin(reader, SILENCE_MS);
    if (part === undefined) return { ok: false, error: "the leg ended or fell silent before its head line" };
    line = line.byteLength === 0 ? skipKeepAlives(part) : concat(line, part);
    const end = line.indexOf(NEWLINE);
    if (end >= 0) {
      const head = parseHead(line.subarray(0, end));
      if (head.ok) {
        reader.releaseLock();
        return { ok: true, value: { head: head.value, leftover: line.slice(end + 1), rest: stream } };
      }
      await reader.cancel(head.error);
      return head;
    }
    if (line.byteLength > LEG_HEAD_MAX_BYTES) {
      await reader.cancel("head line too long");
      return { ok: false, error: "the head line is too long" };
    }
  }
}

/** Reads on to the end of the stream's first event, which then is part of `leftover`; undefined when the host died before it. */
export async function readFirstEvent(leg: OpenLeg): Promise<OpenLeg | undefined> {
  const reader = leg.rest.getReader();
  let begun: Uint8Array = leg.leftover;
  while (!hasEmptyLine(begun) && begun.byteLength < FIRST_EVENT_MAX_BYTES) {
    const part = await readWithin(reader, FIRST_EVENT_SILENCE_MS);
    if (part === undefined) return undefined;
    begun = concat(begun, part);
  }
  reader.releaseLock();
  return { ...leg, leftover: begun };
}

function hasEmptyLine(bytes: Uint8Array): boolean {
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1))
    if (bytes[at + 1] === NEWLINE) return true;
  return false;
}

async function readWithin(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  limitMs: number,
): Promise<Uint8Array | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), limitMs);
  });
  try {
    const read = await Promise.race([reader.read(), silence]);
    if (read === undefined) await reader.cancel("silent");
    return read === undefined || read.done ? undefined : read.value;
  } catch {
    // The connection broke: for the caller the same as an end.
    return undefined;
  } finally {
    if (timer !== undefined) clearTimeout(timer);
  }
}

function skipKeepAlives(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  let start = 0;
  while (bytes[start] === NEWLINE) start += 1;
  return bytes.slice(start);
}

function concat(left: Uint8Array, right: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(left.byteLength + right.byteLength);
  whole.set(left);
  whole.set(right, left.byteLength);
  return whole;
}

function parseHead(line: Uint8Array): Result<LegHead, string> {
  try {
    const parsed = legHeadSchema.safeParse(JSON.parse(new TextDecoder().decode(line)));
    return parsed.success ? { ok: true, value: parsed.data } : { ok: false, error: "the head line has a wrong shape" };
  } catch {
    return { ok: false, error: "the head line is not JSON" };
  }
}
