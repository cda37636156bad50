// The rows that outlive the cell's memory: registered hosts and the join tokens already used.
import type { HostRegistration } from "../wire/host.ts";

/** A used join token is remembered longer than any join token lives (1 h), then forgotten. */
const USED_TOKEN_KEPT_MS = 2 * 3_600_000;

export class HostStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec("CREATE TABLE IF NOT EXISTS hosts (id TEXT PRIMARY KEY, registration TEXT NOT NULL)");
    sql.exec("CREATE TABLE IF NOT EXISTS used_join_tokens (id TEXT PRIMARY KEY, used_at INTEGER NOT NULL)");
  }

  readAll(): HostRegistration[] {
    const rows = this.#sql.exec<{ registration: string }>("SELECT registration FROM hosts ORDER BY id").toArray();
    return rows.map((row) => JSON.parse(row.registration) as HostRegistration);
  }

  write(registration: HostRegistration): void {
    this.#sql.exec(
      "INSERT INTO hosts (id, registration) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET registration = excluded.registration",
      registration.id,
      JSON.stringify(registration),
    );
  }

  remove(hostId: string): void {
    this.#sql.exec("DELETE FROM hosts WHERE id = ?", hostId);
  }

  /** True the first time a join token is used, false ever after. */
  useJoinToken(tokenId: string, now: number): boolean {
    this.#sql.exec("DELETE FROM used_join_tokens WHERE used_at < ?", now - USED_TOKEN_KEPT_MS);
    const used = this.#sql.exec("SELECT 1 FROM used_join_tokens WHERE id = ?", tokenId).toArray().length > 0;
    if (used) return false;
    this.#sql.exec("INSERT INTO used_join_tokens (id, used_at) VALUES (?, ?)", tokenId, now);
    return true;
  }
}
