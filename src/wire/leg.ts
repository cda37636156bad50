// The framed leg between edge and agent: header names, limits, and the one JSON head line that precedes the raw bytes.
import * as z from "zod";

/** Media type of every answer on the leg: the only one that tunnels pass on unbuffered. */
export const LEG_CONTENT_TYPE = "text/event-stream";
/** Header that carries the edge's per-attempt token. */
export const LEG_TOKEN_HEADER = "hive-edge-token";
/** Longest head line, bytes; a longer one is a broken host. */
export const LEG_HEAD_MAX_BYTES = 16_384;
/** A byte at least this often while Ollama is silent: proxies on the path give up after 100-120 s. */
export const LEG_KEEP_ALIVE_MS = 15_000;

/** Sent as the first non-empty line: `{"status":200,"headers":{"content-type":"application/x-ndjson"}}\n`, then raw bytes. */
export const legHeadSchema = z.object({
  status: z.int().min(200).max(599).describe("Ollama's real status."),
  headers: z
    .record(z.string(), z.string())
    .describe("Allowlisted headers of Ollama's answer: content-type, content-length, allow, location."),
  failure: z
    .string()
    .max(200)
    .optional()
    .describe("Set when the agent, not Ollama, is the author: the attempt failed."),
  code: z.enum(["deadline"]).optional().describe("The failure, where the edge must tell it from others."),
  error: z
    .string()
    .max(8_000)
    .optional()
    .describe("Ollama's own error about a load; the edge gives it the shape of the API that was called."),
  "hive-status": z.string().max(200).optional().describe("What the request waited for, e.g. loaded in 12.3 s."),
});
export type LegHead = z.infer<typeof legHeadSchema>;

/** A line that may come before the head line: what the request waits for at this moment. */
export const legStatusSchema = z.object({ "hive-status": z.string().max(200) });
export type LegStatus = z.infer<typeof legStatusSchema>;
