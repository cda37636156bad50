// Finds where the plain bytes of a JSON string stop. An inline image is one string of megabytes: four bytes are looked at together.
import { BACKSLASH, QUOTE, byteAt } from "./json-bytes.ts";

// Most strings end sooner; the word view is made only for those that do not.
const SHORT_RUN_BYTES = 64;

/** Looks through one body; keeps the body's word view between strings. */
export class PlainRun {
  private readonly bytes: Uint8Array;
  private words: Int32Array | undefined;
  /** Index in `bytes` of the first word, 0 to 3: words must lie at multiples of four of the underlying buffer. */
  private readonly firstWordAt: number;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.firstWordAt = -bytes.byteOffset & 3;
  }

  /** The index of the first quote, backslash or control byte from `at`, or the body's length. */
  endFrom(at: number): number {
    const { bytes } = this;
    let index = at;
    const shortEnd = at + SHORT_RUN_BYTES;
    while (index < shortEnd) {
      if (stopsRun(byteAt(bytes, index))) return index;
      index++;
    }
    index = this.skipWords(index);
    while (!stopsRun(byteAt(bytes, index))) index++;
    return index;
  }

  /** Jumps over words without a stopping byte; the answer is at most a few bytes before such a byte. */
  private skipWords(from: number): number {
    this.words ??= wordsOf(this.bytes, this.firstWordAt);
    const { words, firstWordAt } = this;
    const start = (from - firstWordAt + 3) >> 2;
    // Up to three bytes before the first whole word.
    for (let index = from; index < firstWordAt + start * 4; index++) {
      if (stopsRun(byteAt(this.bytes, index))) return index;
    }
    let index = start;
    while (index < words.length && !hasStoppingByte(words[index] ?? 0)) index++;
    return firstWordAt + index * 4;
  }
}

function stopsRun(byte: number): boolean {
  // END is below 0x20 too.
  return byte < 0x20 || byte === QUOTE || byte === BACKSLASH;
}

/**
 * Whether one of a word's four bytes is a quote, a backslash or below 0x20. The classic test: subtracting borrows into the
 * top bit of a byte that was smaller, and `& ~word` drops bytes whose top bit was set before. Exact for "any of the four".
 */
function hasStoppingByte(word: number): boolean {
  const quote = word ^ 0x22222222;
  const backslash = word ^ 0x5c5c5c5c;
  const found =
    (((word - 0x20202020) | 0) & ~word) |
    (((quote - 0x01010101) | 0) & ~quote) |
    (((backslash - 0x01010101) | 0) & ~backslash);
  return (found & 0x80808080) !== 0;
}

function wordsOf(bytes: Uint8Array, firstWordAt: number): Int32Array {
  const count = Math.max(0, (bytes.length - firstWordAt) >> 2);
  return count === 0 ? new Int32Array(0) : new Int32Array(bytes.buffer, bytes.byteOffset + firstWordAt, count);
}
