// JSON as Ollama writes it: Go escapes what HTML could misread.

/** A value as Go's encoding/json writes it. */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A native answer of Ollama: gin's c.JSON. */
export function nativeJson(value: unknown, status = 200): Response {
  return answer(goJson(value), status, "application/json; charset=utf-8");
}

/** An answer of Ollama's compatibility layers: another media type, and a newline at the end. */
export function translatedJson(value: unknown): Response {
  return answer(`${goJson(value)}\n`, 200, "application/json");
}

function answer(body: string, status: number, contentType: string): Response {
  return new Response(body, { status, headers: { "content-type": contentType, "cache-control": "no-store" } });
}
