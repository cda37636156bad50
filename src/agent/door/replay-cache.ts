// Tokens of the leg that were used: each opens one request, and is remembered until it would be refused as expired anyway.

// The verifier accepts a token this long after its expiry.
const CLOCK_TOLERANCE_MS = 30_000;
const SWEEP_EVERY = 256;

export class ReplayCache {
  private readonly expiryByToken = new Map<string, number>();
  private sinceSweep = 0;

  /** Notes the first use; false when the token was used before. */
  use(tokenId: string, expiresAt: number, now: number): boolean {
    if (this.expiryByToken.has(tokenId)) return false;
    this.expiryByToken.set(tokenId, expiresAt + CLOCK_TOLERANCE_MS);
    if (++this.sinceSweep >= SWEEP_EVERY) this.sweep(now);
    return true;
  }

  /** How many tokens are remembered. */
  get size(): number {
    return this.expiryByToken.size;
  }

  private sweep(now: number): void {
    this.sinceSweep = 0;
    for (const [tokenId, until] of this.expiryByToken) if (until < now) this.expiryByToken.delete(tokenId);
  }
}
