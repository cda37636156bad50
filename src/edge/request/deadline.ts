// How long a request may take: REQUEST_LIMIT, or less where its client says so.
import type { Result } from "../../wire/result.ts";

/** Epoch ms after which nobody wants the answer; the header `hive-deadline-ms` can only shorten the limit. */
export function readDeadline(header: string | undefined, limitMs: number, arrivedAt: number): Result<number, string> {
  if (header === undefined) return { ok: true, value: arrivedAt + limitMs };
  const wantedMs = /^\d{1,12}$/.test(header) ? Number(header) : 0;
  if (wantedMs === 0)
    return { ok: false, error: "hive: hive-deadline-ms must be a whole number of milliseconds, 1 or more" };
  return { ok: true, value: arrivedAt + Math.min(wantedMs, limitMs) };
}
