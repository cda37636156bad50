// The Durable Object for the whole Hive: tokens seen, what is revoked, and what operators did. All of it is rows.
import { DurableObject } from "cloudflare:workers";
import type {
  AuditEntry,
  DirectoryRpc,
  Revocation,
  RevocationTarget,
  RegisteredKey,
  RevocationView,
  TokenRecord,
} from "../wire/directory-rpc.ts";

const DAY_MS = 86_400_000;
/** No token lives longer than 366 days: what was revoked before is expired by now. */
const REVOCATION_KEPT_MS = 367 * DAY_MS;
/** Tokens are listed so long after they expired. */
const EXPIRED_KEPT_MS = 30 * DAY_MS;
/** Most actions kept; the oldest go first. */
const AUDIT_ROWS_MAX = 100_000;
/** What operators did is kept longer: clients that work on models, again and again, must not push it out. */
const OPERATORS_ROWS_MAX = 10 * AUDIT_ROWS_MAX;

/** Longer than any join token lives (1 h). */
const JOIN_TOKEN_KEPT_MS = 2 * 3_600_000;

const TABLES = [
  "CREATE TABLE IF NOT EXISTS revocations (kind TEXT, id TEXT, revoked_at INTEGER NOT NULL, PRIMARY KEY (kind, id))",
  "CREATE TABLE IF NOT EXISTS revision (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), number INTEGER NOT NULL)",
  "CREATE TABLE IF NOT EXISTS tokens (id TEXT PRIMARY KEY, expires_at INTEGER NOT NULL, record TEXT NOT NULL)",
  "CREATE TABLE IF NOT EXISTS ollama_keys (key TEXT PRIMARY KEY, token TEXT NOT NULL, expires_at INTEGER NOT NULL)",
  "CREATE TABLE IF NOT EXISTS join_tokens (id TEXT PRIMARY KEY, used_at INTEGER NOT NULL)",
  "CREATE TABLE IF NOT EXISTS audit (number INTEGER PRIMARY KEY AUTOINCREMENT, entry TEXT NOT NULL)",
];

export class Directory extends DurableObject implements DirectoryRpc {
  readonly #sql: SqlStorage;

  constructor(ctx: DurableObjectState, env: Record<string, unknown>) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    for (const table of TABLES) this.#sql.exec(table);
  }

  async revoke({ kind, id }: RevocationTarget): Promise<Revocation> {
    const revokedAt = Date.now();
    this.#sql.exec("DELETE FROM revocations WHERE revoked_at < ?", revokedAt - REVOCATION_KEPT_MS);
    this.#sql.exec(
      "INSERT INTO revocations VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET revoked_at = excluded.revoked_at",
      kind,
      id,
      revokedAt,
    );
    this.#revise();
    return { kind, id, revokedAt };
  }

  async registerOllamaKey({ key, token }: RegisteredKey, expiresAt: number): Promise<void> {
    this.#sql.exec("DELETE FROM ollama_keys WHERE expires_at < ?", Date.now());
    this.#sql.exec("INSERT OR REPLACE INTO ollama_keys VALUES (?, ?, ?)", key, token, expiresAt);
    this.#revise();
  }

  async readRevocations(knownRevision: number): Promise<RevocationView> {
    const revision = this.#sql.exec<{ number: number }>("SELECT number FROM revision").toArray()[0]?.number ?? 0;
    if (revision === knownRevision) return { revision };
    return { revision, entries: this.#revocations(), ollamaKeys: this.#ollamaKeys() };
  }

  async spendJoinToken(tokenId: string): Promise<boolean> {
    this.#sql.exec("DELETE FROM join_tokens WHERE used_at < ?", Date.now() - JOIN_TOKEN_KEPT_MS);
    const inserted = this.#sql.exec(
      "INSERT INTO join_tokens VALUES (?, ?) ON CONFLICT (id) DO NOTHING RETURNING id",
      tokenId,
      Date.now(),
    );
    return inserted.toArray().length > 0;
  }

  async noteToken(token: TokenRecord): Promise<void> {
    this.#sql.exec("DELETE FROM tokens WHERE expires_at < ?", Date.now() - EXPIRED_KEPT_MS);
    this.#sql.exec(
      "INSERT INTO tokens VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING",
      token.id,
      token.expiresAt,
      JSON.stringify(token),
    );
  }

  async listTokens(): Promise<readonly TokenRecord[]> {
    const revocations = this.#revocations();
    return this.#sql
      .exec<{ record: string }>("SELECT record FROM tokens ORDER BY expires_at DESC, id")
      .toArray()
      .map(({ record }) => {
        const token = JSON.parse(record) as TokenRecord;
        const revokedAt = revocations.find((entry) => isOf(entry, token))?.revokedAt;
        return revokedAt === undefined ? token : { ...token, revokedAt };
      });
  }

  async recordAudit(entry: AuditEntry): Promise<void> {
    const { number } = this.#sql
      .exec<{ number: number }>("INSERT INTO audit (entry) VALUES (?) RETURNING number", JSON.stringify(entry))
      .one();
    this.#sql.exec("DELETE FROM audit WHERE number <= ?", number - OPERATORS_ROWS_MAX);
    const old = "DELETE FROM audit WHERE number = ? AND json_extract(entry, '$.action') NOT LIKE '% /hive/%'";
    this.#sql.exec(old, number - AUDIT_ROWS_MAX);
  }

  async readAudit(limit: number): Promise<readonly AuditEntry[]> {
    const rows = this.#sql.exec<{ entry: string }>("SELECT entry FROM audit ORDER BY number DESC LIMIT ?", limit);
    return rows.toArray().map(({ entry }) => JSON.parse(entry) as AuditEntry);
  }

  #revise(): void {
    this.#sql.exec("INSERT INTO revision VALUES (1, 1) ON CONFLICT (only_row) DO UPDATE SET number = number + 1");
  }

  #ollamaKeys(): RegisteredKey[] {
    const rows = this.#sql.exec<{ key: string; token: string }>("SELECT key, token FROM ollama_keys");
    return rows.toArray().map(({ key, token }) => ({ key, token }));
  }

  #revocations(): Revocation[] {
    return this.#sql
      .exec<{ kind: Revocation["kind"]; id: string; revoked_at: number }>("SELECT * FROM revocations")
      .toArray()
      .map(({ kind, id, revoked_at }) => ({ kind, id, revokedAt: revoked_at }));
  }
}

function isOf({ kind, id, revokedAt }: Revocation, token: TokenRecord): boolean {
  return (kind === "token" && id === token.id) || (kind === "sub" && id === token.sub && token.issuedAt < revokedAt);
}
