// A request body as gin's ShouldBindJSON takes it: the first JSON value, decoded into one of Ollama's request types.
import type { GoType } from "./go-types.ts";
import { GoSyntaxError, readFirstValue } from "./go-scan.ts";
import { GoCustomError, GoTypeError, decodeAs } from "./go-types.ts";

type Decoded<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: string };

/** Decodes a body; the error is Go's text, `EOF` where there was nothing to decode. */
export function decodeBody<T>(type: GoType<T>, body: Uint8Array): Decoded<T> {
  try {
    return { ok: true, value: decodeAs(type, readFirstValue(body)) };
  } catch (error) {
    if (error instanceof GoSyntaxError || error instanceof GoTypeError || error instanceof GoCustomError) {
      return { ok: false, error: error.message };
    }
    throw error;
  }
}
