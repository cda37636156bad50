// Reads an answer of the leg up to its head line; what follows are Ollama's raw bytes.
import * as z from "zod";
import { LEG_HEAD_MAX_BYTES, legHeadSchema, legStatusSchema } from "../../wire/leg.ts";
import type { LegHead, LegStatus } from "../../wire/leg.ts";
import type { Result } from "../../wire/result.ts";
import { within } from "../within.ts";

const NEWLINE = 0x0a;
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

/** How long a leg may be silent, and who is told what the request waits for. */
export interface LegWait {
  readonly silenceMs: number;
  readonly onStatus: (status: string) => void;
}

/** Skips keep-alive newlines and status lines, and parses the head line. Fails with a reason for the log. */
export async function readLegHead(stream: ReadableStream<Uint8Array>, wait: LegWait): Promise<Result<OpenLeg, string>> {
  const reader = stream.getReader();
  let unread = new Uint8Array(0);
  for (;;) {
    const part = await readWithin(reader, wait.silenceMs);
    if (part === undefined) return { ok: false, error: "the leg ended or fell silent before its head line" };
    const taken = takeLines(unread.byteLength === 0 ? part : concat(unread, part), wait.onStatus);
    unread = taken.rest;
    if (taken.head?.ok === true) {
      reader.releaseLock();
      return { ok: true, value: { head: taken.head.value, leftover: taken.rest, rest: stream } };
    }
    const tooLong = unread.byteLength > LEG_HEAD_MAX_BYTES ? "the head line is too long" : undefined;
    const error = taken.head?.error ?? tooLong;
    if (error === undefined) continue;
    await reader.cancel(error);
    return { ok: false, error };
  }
}

/** Reads whole lines up to the head line; what is left follows it, or is the beginning of a line. */
function takeLines(
  bytes: Uint8Array,
  onStatus: LegWait["onStatus"],
): { head?: Result<LegHead, string>; rest: Uint8Array<ArrayBuffer> } {
  let start = 0;
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
    const line = bytes.subarray(start, end);
    start = end + 1;
    if (line.byteLength === 0) continue;
    const parsed = parseLine(line);
    if (!parsed.ok || "status" in parsed.value)
      return { head: parsed as Result<LegHead, string>, rest: bytes.slice(start) };
    onStatus(parsed.value["hive-status"]);
  }
  return { rest: bytes.slice(start) };
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
  try {
    const read = await within(reader.read(), limitMs);
    if (read === undefined) await reader.cancel("silent");
    return read === undefined || read.done ? undefined : read.value;
  } catch {
    // The connection broke: for the caller the same as an end.
    return undefined;
  }
}

function concat(left: Uint8Array, right: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(left.byteLength + right.byteLength);
  whole.set(left);
  whole.set(right, left.byteLength);
  return whole;
}

const lineSchema = z.union([legHeadSchema, legStatusSchema]);

function parseLine(line: Uint8Array): Result<LegHead | LegStatus, string> {
  try {
    const parsed = lineSchema.safeParse(JSON.parse(new TextDecoder().decode(line)));
    return parsed.success ? { ok: true, value: parsed.data } : { ok: false, error: "the head line has a wrong shape" };
  } catch {
    return { ok: false, error: "the head line is not JSON" };
  }
}
