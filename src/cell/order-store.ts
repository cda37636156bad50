// The last order for hosts, kept beyond the cell's memory: its number must rise, and hosts told to stop stay so.
import type { StandingOrder } from "../core/scale/scaler.ts";

export class OrderStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec("CREATE TABLE IF NOT EXISTS scale_order (one INTEGER PRIMARY KEY CHECK (one = 1), body TEXT NOT NULL)");
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
