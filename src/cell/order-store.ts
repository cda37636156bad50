// Kept beyond the cell's memory: the last order for hosts, whose number must rise, and what hosts that were stopped have.
import type { FleetModel } from "../core/fleet.ts";
import type { StandingOrder } from "../core/scale/scaler.ts";

export class OrderStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec("CREATE TABLE IF NOT EXISTS asleep (host TEXT PRIMARY KEY, models TEXT NOT NULL)");
    sql.exec("CREATE TABLE IF NOT EXISTS scale_order (one INTEGER PRIMARY KEY CHECK (one = 1), body TEXT NOT NULL)");
  }

  /** Keeps what a host has on disk while it is away. */
  keepModels(hostId: string, models: readonly FleetModel[]): void {
    this.#sql.exec(
      "INSERT INTO asleep (host, models) VALUES (?, ?) ON CONFLICT (host) DO UPDATE SET models = excluded.models",
      hostId,
      JSON.stringify(models),
    );
  }

  /** What a host had when it was last told to stop; undefined if it never was. */
  readModels(hostId: string): FleetModel[] | undefined {
    const [row] = this.#sql.exec<{ models: string }>("SELECT models FROM asleep WHERE host = ?", hostId).toArray();
    return row === undefined ? undefined : (JSON.parse(row.models) as FleetModel[]);
  }

  read(): StandingOrder | undefined {
    const [row] = this.#sql.exec<{ body: string }>("SELECT body FROM scale_order").toArray();
    return row === undefined ? undefined : (JSON.parse(row.body) as StandingOrder);
  }

  write(order: StandingOrder): void {
    this.#sql.exec(
      "INSERT INTO scale_order (one, body) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET body = excluded.body",
      JSON.stringify(order),
    );
  }
}
