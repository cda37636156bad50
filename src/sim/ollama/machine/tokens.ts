// Tokens of a prompt: four bytes of UTF-8 each, which keeps common prefixes common, is cheap and can be turned back.

const BYTES_PER_TOKEN = 4;
// Ollama counts this much for an image when it truncates (server/routes.go); the simulated runner bills it too.
export const TOKENS_PER_IMAGE = 768;

/** How many tokens a text has. */
export function countTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);
}

/** The numbers that stand for a text, as in `context` of /api/generate. */
export function encodeTokens(text: string): number[] {
  const bytes = Buffer.from(text);
  const tokens: number[] = [];
  for (let at = 0; at < bytes.length; at += BYTES_PER_TOKEN) {
    const length = Math.min(BYTES_PER_TOKEN, bytes.length - at);
    tokens.push(bytes.readUIntLE(at, length) * BYTES_PER_TOKEN + (length - 1));
  }
  return tokens;
}

/** The text that numbers stand for; numbers of another tokeniser give some text too. */
export function decodeTokens(tokens: readonly number[]): string {
  const bytes = Buffer.alloc(tokens.length * BYTES_PER_TOKEN);
  let at = 0;
  for (const token of tokens) {
    const length = (Math.abs(token) % BYTES_PER_TOKEN) + 1;
    const value = Math.floor(Math.abs(token) / BYTES_PER_TOKEN) % 2 ** (8 * length);
    bytes.writeUIntLE(value, at, length);
    at += length;
  }
  return bytes.toString("utf8", 0, at);
}

/** How many tokens two texts have in common from their start. */
export function commonTokens(left: Buffer, right: Buffer): number {
  const limit = Math.min(left.length, right.length);
  let at = 0;
  while (at < limit && left[at] === right[at]) at++;
  const whole = at === left.length && at === right.length;
  return whole ? Math.ceil(at / BYTES_PER_TOKEN) : Math.floor(at / BYTES_PER_TOKEN);
}
