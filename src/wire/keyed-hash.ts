// A keyed hash that can be asked at any point of a text what it is so far: HalfSipHash-1-3 (Aumasson, Bernstein), 64 bits out.
// Synchronous and fast in JavaScript (32-bit words), so that nothing is awaited before a request leaves for its cell.

/** Two words. Who lacks them can neither compute a hash nor confirm a guessed text by one. */
export type HashKey = readonly [number, number];

const FINAL_ROUNDS = 3;

export class KeyedHash {
  #v0: number;
  #v1: number;
  #v2: number;
  #v3: number;
  #words = 0;

  constructor([k0, k1]: HashKey) {
    this.#v0 = k0;
    this.#v1 = k1 ^ 0xee;
    this.#v2 = 0x6c796765 ^ k0;
    this.#v3 = 0x74656462 ^ k1;
  }

  /** Takes one word. */
  word(word: number): void {
    this.#words += 1;
    this.#v3 ^= word;
    this.#round();
    this.#v0 ^= word;
  }

  /** Takes bytes; their number is taken too where it is not one of whole words, so that no two texts are taken alike. */
  bytes(bytes: Uint8Array, start: number, end: number): void {
    const whole = end - ((end - start) & 3);
    let at = start;
    for (; at < whole; at += 4) {
      this.word(
        (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24),
      );
    }
    if (at === end) return;
    let rest = (end - at) << 24;
    for (let shift = 0; at < end; at += 1, shift += 8) rest |= (bytes[at] ?? 0) << shift;
    this.word(rest);
  }

  /** Answers the hash of all that was taken so far, 64 bits as two words; more may be taken afterwards. */
  peek(): [number, number] {
    const copy = new KeyedHash([0, 0]);
    copy.#v0 = this.#v0;
    copy.#v1 = this.#v1;
    copy.#v2 = this.#v2;
    copy.#v3 = this.#v3;
    copy.word(this.#words << 2);
    copy.#v2 ^= 0xee;
    for (let round = 0; round < FINAL_ROUNDS; round += 1) copy.#round();
    const low = copy.#v1 ^ copy.#v3;
    copy.#v1 ^= 0xdd;
    for (let round = 0; round < FINAL_ROUNDS; round += 1) copy.#round();
    return [low >>> 0, (copy.#v1 ^ copy.#v3) >>> 0];
  }

  #round(): void {
    this.#v0 = (this.#v0 + this.#v1) | 0;
    this.#v1 = ((this.#v1 << 5) | (this.#v1 >>> 27)) ^ this.#v0;
    this.#v0 = (this.#v0 << 16) | (this.#v0 >>> 16);
    this.#v2 = (this.#v2 + this.#v3) | 0;
    this.#v3 = ((this.#v3 << 8) | (this.#v3 >>> 24)) ^ this.#v2;
    this.#v0 = (this.#v0 + this.#v3) | 0;
    this.#v3 = ((this.#v3 << 7) | (this.#v3 >>> 25)) ^ this.#v0;
    this.#v2 = (this.#v2 + this.#v1) | 0;
    this.#v1 = ((this.#v1 << 13) | (this.#v1 >>> 19)) ^ this.#v2;
    this.#v2 = (this.#v2 << 16) | (this.#v2 >>> 16);
  }
}

/** Hashes a short text under a key. */
export function hashText(key: HashKey, text: string): [number, number] {
  const hash = new KeyedHash(key);
  for (let at = 0; at < text.length; at += 1) hash.word(text.charCodeAt(at));
  return hash.peek();
}

/** A hash as a number that JavaScript holds exactly: 52 of its bits. */
export function toNumber([low, high]: readonly [number, number]): number {
  return low + (high & 0xfffff) * 0x1_0000_0000;
}
