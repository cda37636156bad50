// Writes a body out anew where policy changed it: the members concerned, and not a byte of the rest.

export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** The bytes with each edit in its place. */
export function applyEdits(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const { start, end, text } of [...edits].sort((a, b) => a.start - b.start)) {
    parts.push(bytes.subarray(at, start), new TextEncoder().encode(text));
    at = end;
  }
  parts.push(bytes.subarray(at));
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.byteLength;
  }
  return whole;
}
