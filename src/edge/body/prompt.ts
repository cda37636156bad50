// What a model will read of a request, as far as its beginnings matter: its size, and hashes of where it can be picked up again.
import { readMessages } from "../../wire/json-messages.ts";
import type { MessagePiece } from "../../wire/json-messages.ts";
import type { JsonSpan } from "../../wire/json-bytes.ts";
import type { ScannedBody } from "../../wire/json-scan.ts";
import type { HashKey } from "../../wire/keyed-hash.ts";
import { KeyedHash, hashText, toNumber } from "../../wire/keyed-hash.ts";

/** A stretch of the prompt that is the same whenever the stretches before it are: tools, system, each message. */
interface Section {
  /** Told apart from others that hold the same text. */
  readonly name: string;
  readonly pieces: readonly MessagePiece[];
}

export interface Prompt {
  readonly sections: readonly Section[];
  /** Bytes of text, images counted as the tokens they become. */
  readonly textBytes: number;
  readonly mediaCount: number;
}

export interface PromptPrefix {
  readonly hashes: readonly number[];
  /** Bytes of the prompt up to each hash. */
  readonly ends: readonly number[];
}

/** An image becomes some 600 tokens in the usual vision models: as much as so much text. */
const MEDIA_BYTES = 2_400;
/** Text is hashed at the ends of blocks of so many bytes, four times larger while there would be too many. */
const BLOCK_BYTES = 1_024;
const BLOCKS_MAX = 96;
/** So many of the last messages end with a hash of their own: there the next turn picks up. */
const MESSAGE_ENDS_MAX = 32;
/** Nobody's cache reaches further, and nobody should wait for more to be hashed. */
const HASHED_BYTES_MAX = 512 * 1_024;
/** Of an image so much is looked at, at both ends: enough to tell images apart. */
const MEDIA_SAMPLE_BYTES = 2_048;

/** Reads the prompt of a scanned body, whichever API it is written for. */
export function readPrompt(body: ScannedBody): Prompt {
  const sections: Section[] = [];
  for (const name of ["tools", "system", "instructions"]) addSection(sections, body, name);
  for (const name of ["messages", "input"]) {
    const span = body.members.get(name);
    if (span?.type !== "array") addSection(sections, body, name);
    else for (const { role, pieces } of readMessages(body.bytes, span)) sections.push({ name: role, pieces });
  }
  for (const name of ["prompt", "suffix"]) addSection(sections, body, name);
  const images = body.members.get("images");
  if (images?.type === "array" && images.end - images.start > 2) {
    sections.push({ name: "images", pieces: [{ kind: "media", start: images.start, end: images.end }] });
  }
  return { sections, ...measure(sections) };
}

function addSection(sections: Section[], { members }: ScannedBody, name: string): void {
  const span = members.get(name);
  if (span === undefined || span.type === "null" || isEmpty(span)) return;
  sections.push({ name, pieces: [{ kind: "text", start: span.start, end: span.end }] });
}

function isEmpty({ start, end }: JsonSpan): boolean {
  return end - start <= 2;
}

function measure(sections: readonly Section[]): { textBytes: number; mediaCount: number } {
  let textBytes = 0;
  let mediaCount = 0;
  for (const { pieces } of sections) {
    for (const piece of pieces) {
      textBytes += sizeOf(piece);
      if (piece.kind === "media") mediaCount += 1;
    }
  }
  return { textBytes, mediaCount };
}

function sizeOf({ kind, start, end }: MessagePiece): number {
  return kind === "media" ? MEDIA_BYTES : end - start;
}

/** Hashes the beginnings of a prompt for a model under a tenant's key: the same text before, the same hash. */
export function hashPrompt(
  key: HashKey,
  model: string,
  { sections, textBytes }: Prompt,
  bytes: Uint8Array,
): PromptPrefix {
  const walk = new Walk(key, Math.min(textBytes, HASHED_BYTES_MAX), bytes);
  walk.begin(model);
  for (const [index, { name, pieces }] of sections.entries()) {
    walk.begin(name);
    for (const piece of pieces) walk.take(piece);
    if (walk.at > HASHED_BYTES_MAX) break;
    if (index >= sections.length - MESSAGE_ENDS_MAX) walk.mark();
  }
  return walk;
}

/** The key of a tenant: nobody else's hashes meet its own, so that no cache tells one tenant of another's prompts. */
export function tenantKey(key: HashKey, tenant: string): HashKey {
  return hashText(key, `tenant ${tenant}`);
}

class Walk implements PromptPrefix {
  readonly hashes: number[] = [];
  readonly ends: number[] = [];
  readonly hash: KeyedHash;
  /** Bytes of the prompt taken so far. */
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #blockBytes: number;

  constructor(key: HashKey, totalBytes: number, bytes: Uint8Array) {
    this.hash = new KeyedHash(key);
    this.#bytes = bytes;
    let blockBytes = BLOCK_BYTES;
    while (totalBytes / blockBytes > BLOCKS_MAX) blockBytes *= 4;
    this.#blockBytes = blockBytes;
  }

  begin(name: string): void {
    this.hash.word(name.length);
    for (let index = 0; index < name.length; index += 1) this.hash.word(name.charCodeAt(index));
  }

  take(piece: MessagePiece): void {
    this.hash.word(sizeOf(piece) === 0 ? 0 : 1);
    if (piece.kind === "media") return this.#takeMedia(piece);
    let { start } = piece;
    // Cut alike whatever the size of the blocks, so that a prompt that grows keeps the hashes of its beginnings.
    while (start < piece.end && this.at <= HASHED_BYTES_MAX) {
      const toBoundary = BLOCK_BYTES - (this.at % BLOCK_BYTES);
      const end = Math.min(piece.end, start + toBoundary);
      this.hash.bytes(this.#bytes, start, end);
      this.at += end - start;
      start = end;
      if (this.at % this.#blockBytes === 0) this.mark();
    }
  }

  /** A hash of all so far, unless nothing came since the last. */
  mark(): void {
    if (this.at === 0 || this.ends.at(-1) === this.at) return;
    this.hashes.push(toNumber(this.hash.peek()));
    this.ends.push(this.at);
  }

  #takeMedia({ start, end }: MessagePiece): void {
    this.hash.word(end - start);
    this.hash.bytes(this.#bytes, start, Math.min(end, start + MEDIA_SAMPLE_BYTES));
    this.hash.bytes(this.#bytes, Math.max(start, end - MEDIA_SAMPLE_BYTES), end);
    this.at += MEDIA_BYTES;
  }
}
