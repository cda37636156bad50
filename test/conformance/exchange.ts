// The differential harness: one exchange with a host directly and one through Hive, compared in all that clients can see.
import { expect } from "vitest";
import type { World } from "./world.ts";

export interface Exchange {
  readonly method?: "GET" | "HEAD" | "POST" | "DELETE" | "OPTIONS" | "PUT";
  readonly path: string;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Observed {
  readonly status: number;
  readonly contentType: string | null;
  readonly allow: string | null;
  readonly encoding: string | null;
  /** One for each NDJSON line or SSE event with its terminator; a whole body is one. */
  readonly records: readonly string[];
}

/** Sends an exchange to a base URL; POST where there is a body. */
export async function send(base: string, exchange: Exchange): Promise<Response> {
  const { path, body, headers = {} } = exchange;
  const method = exchange.method ?? (body === undefined ? "GET" : "POST");
  return await fetch(base + path, { method, headers, redirect: "manual", ...(body === undefined ? {} : { body }) });
}

/** All that a client sees of an answer, less what differs between two runs of the same request. */
export async function observe(response: Response): Promise<Observed> {
  const contentType = response.headers.get("content-type");
  return {
    status: response.status,
    contentType,
    allow: response.headers.get("allow"),
    encoding: response.headers.get("content-encoding"),
    records: cutRecords(await response.text(), contentType).map(timeless),
  };
}

/** Both answers, the direct one first; they have been found equal. */
export async function expectSame(world: World, exchange: Exchange): Promise<Observed> {
  const direct = await observe(await send(world.directUrl, exchange));
  const through = await observe(await world.send(exchange));
  const about = `${exchange.method ?? ""} ${exchange.path} ${String(exchange.body ?? "").slice(0, 200)}`;
  expect(through, about).toEqual(direct);
  return direct;
}

/** Cuts a body where its media type says that a record ends. */
export function cutRecords(text: string, contentType: string | null): string[] {
  if (contentType === "application/x-ndjson") return text.split(/(?<=\n)/);
  if (contentType === "text/event-stream") return text.split(/(?<=\n\n)/);
  return [text];
}

const VOLATILE_TEXT = /"(created_at|modified_at|expires_at|id|item_id|call_id|request_id)":"[^"]*"/g;
// Ollama leaves out a duration that is zero, and the time of a whole second has no fraction.
const VOLATILE_NUMBER = /,?"(?:\w+_duration|created|created_at|completed_at)":(?:\d+|null)/g;

/** The record without times, durations and made-up ids; every other byte stays. */
export function timeless(record: string): string {
  return record.replace(VOLATILE_TEXT, '"$1":"-"').replace(VOLATILE_NUMBER, "");
}

/** The JSON of a body, for an exchange. */
export function json(value: unknown): string {
  return JSON.stringify(value);
}
