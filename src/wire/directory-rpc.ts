// The verbs between edge and directory: what concerns the whole Hive and must outlive every cell's memory.
import * as z from "zod";

/** What is revoked: one token, all tokens of a name issued until now, or a host. */
export const revocationSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("token"), id: z.string().min(1).max(200) }),
  z.object({ kind: z.literal("sub"), id: z.string().min(1).max(200) }),
  z.object({ kind: z.literal("host"), id: z.string().min(1).max(63) }),
]);
export type RevocationTarget = z.infer<typeof revocationSchema>;

export interface Revocation {
  readonly kind: RevocationTarget["kind"];
  readonly id: string;
  /** Epoch ms. Tokens of a name issued later, and a host that joins again later, are good. */
  readonly revokedAt: number;
}

/** All that is revoked, and who signs instead of sending a token; only where the asker does not have this revision yet. */
export interface RevocationView {
  readonly revision: number;
  readonly entries?: readonly Revocation[];
  /** Tokens by the key of the Ollama installation that they are bound to, with the entries. */
  readonly ollamaKeys?: readonly RegisteredKey[];
}

/** The token that stands for an Ollama installation; it is worth nothing without a signature of the key. */
export interface RegisteredKey {
  /** 32 bytes in base64url. */
  readonly key: string;
  readonly token: string;
}

/** A token as operators see it: what it may, never its text. */
export interface TokenRecord {
  readonly id: string;
  readonly role: "client" | "admin";
  readonly sub: string;
  readonly scopes: readonly string[];
  readonly models: readonly string[];
  readonly pool: string;
  readonly priority: string;
  /** Epoch ms. */
  readonly issuedAt: number;
  /** Epoch ms. */
  readonly expiresAt: number;
  /** Epoch ms; absent for one that is good. */
  readonly revokedAt?: number | undefined;
}

/** One action of an operator. */
export interface AuditEntry {
  /** Epoch ms. */
  readonly at: number;
  readonly operator: string;
  readonly tokenId: string;
  /** Method and route, as in the route table. */
  readonly action: string;
  /** Path as called, without prefix and query. */
  readonly target: string;
  /** What it was about where the path does not tell: a name, models. */
  readonly about?: string | undefined;
  readonly status: number;
}

export interface DirectoryRpc {
  /** True the first time a join token is used, false ever after: of several cells none can tell for all. */
  spendJoinToken(tokenId: string): Promise<boolean>;
  revoke(target: RevocationTarget): Promise<Revocation>;
  /** Registers the key of an Ollama installation; the token that it had before is replaced. */
  registerOllamaKey(registered: RegisteredKey, expiresAt: number): Promise<void>;
  readRevocations(knownRevision: number): Promise<RevocationView>;
  /** Remembers a token that was issued or has been seen for the first time. */
  noteToken(token: TokenRecord): Promise<void>;
  listTokens(): Promise<readonly TokenRecord[]>;
  recordAudit(entry: AuditEntry): Promise<void>;
  /** Newest first. */
  readAudit(limit: number): Promise<readonly AuditEntry[]>;
}
