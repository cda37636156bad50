// The rows that outlive the cell's memory: registered hosts and the join tokens already used.
import type { HostRegistration } from "../wire/host.ts";

/** A used join token is remembered longer than any join token lives (1 h), then forgotten. */
const USED_TOKEN_KEPT_MS = 2 * 3_600_000;

/** A replay of an older run's heartbeat, or a second agent, is one of the last few. */
const RUNS_KEPT = 4;

export interface StoredHost {
  readonly registration: HostRegistration;
  /** Newest first. */
  readonly runs: readonly string[];
  readonly provenRun?: string | undefined;
}

export class HostStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec("CREATE TABLE IF NOT EXISTS hosts (id TEXT PRIMARY KEY, registration TEXT NOT NULL)");
    sql.exec(
      "CREATE TABLE IF NOT EXISTS runs (number INTEGER PRIMARY KEY AUTOINCREMENT, host TEXT NOT NULL, run TEXT NOT NULL, proven INTEGER NOT NULL DEFAULT 0)",
    );
    sql.exec("CREATE TABLE IF NOT EXISTS used_join_tokens (id TEXT PRIMARY KEY, used_at INTEGER NOT NULL)");
  }

  readAll(): StoredHost[] {
    const rows = this.#sql.exec<{ registration: string }>("SELECT registration FROM hosts ORDER BY id").toArray();
    return rows.map((row) => {
      const registration = JSON.parse(row.registration) as HostRegistration;
      const runs = this.#runsOf(registration.id);
      const provenRun = runs.find(({ proven }) => proven === 1)?.run;
      return { registration, runs: runs.map(({ run }) => run), provenRun };
    });
  }

  /** Remembers a run of a host's agent the first time that it is heard: once per start of an agent, not per heartbeat. */
  noteRun(hostId: string, run: string): void {
    const sql = this.#sql;
    sql.exec("DELETE FROM runs WHERE host = ? AND run = ?", hostId, run);
    sql.exec("INSERT INTO runs (host, run) VALUES (?, ?)", hostId, run);
    for (const { number } of this.#runsOf(hostId).slice(RUNS_KEPT))
      sql.exec("DELETE FROM runs WHERE number = ?", number);
  }

  proveRun(hostId: string, run: string): void {
    this.#sql.exec("UPDATE runs SET proven = (run = ?) WHERE host = ?", run, hostId);
  }

  #runsOf(hostId: string): { number: number; run: string; proven: number }[] {
    const query = "SELECT number, run, proven FROM runs WHERE host = ? ORDER BY number DESC";
    return this.#sql.exec<{ number: number; run: string; proven: number }>(query, hostId).toArray();
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
    this.#sql.exec("DELETE FROM runs WHERE host = ?", hostId);
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
