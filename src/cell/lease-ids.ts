// Ids of leases that this cell alone can make: a host that lists or reports one can only have been given it, also where the
// memory of that is lost. Attack: made-up leases in a heartbeat, which would use up the limits of any tenant.
import { hashText } from "../wire/keyed-hash.ts";
import type { HashKey } from "../wire/keyed-hash.ts";

const ID = /^([0-9a-f-]{36})\.([0-9a-f]{16})\.(\d{1,15})$/;

export class LeaseIds {
  readonly #key: HashKey;

  constructor(sql: SqlStorage) {
    sql.exec("CREATE TABLE IF NOT EXISTS lease_key (one INTEGER PRIMARY KEY CHECK (one = 1), k0 INTEGER, k1 INTEGER)");
    const [k0, k1] = crypto.getRandomValues(new Uint32Array(2));
    sql.exec("INSERT INTO lease_key VALUES (1, ?, ?) ON CONFLICT DO NOTHING", k0, k1);
    const row = sql.exec<{ k0: number; k1: number }>("SELECT k0, k1 FROM lease_key").one();
    this.#key = [row.k0, row.k1];
  }

  /** A new id, which ends in the tenant's number. */
  make(tenant: number): string {
    const random = crypto.randomUUID();
    return `${random}.${this.#mark(random, String(tenant))}.${String(tenant)}`;
  }

  /** The number of the tenant whose lease it is; undefined for an id that this cell has not made. */
  tenantOf(leaseId: string): number | undefined {
    const [, random = "", mark, tenant = ""] = ID.exec(leaseId) ?? [];
    return mark !== undefined && mark === this.#mark(random, tenant) ? Number(tenant) : undefined;
  }

  #mark(random: string, tenant: string): string {
    return hashText(this.#key, `${random}.${tenant}`)
      .map((word) => word.toString(16).padStart(8, "0"))
      .join("");
  }
}
