// What the cell keeps of tenants: what they have used, on disk, and a number for each, which their leases carry.
import { countUnderWay } from "../core/limits/under-way.ts";
import { wouldLoad } from "../core/limits/reloads.ts";
import { admit, createTenantLimits } from "../core/limits/tenant-limits.ts";
import { countFinished, createUsage, dayOf, takeUnsaved } from "../core/limits/usage.ts";
import type { Fleet } from "../core/fleet.ts";
import type { UsageQuery, UsageView } from "../wire/cell-rpc.ts";
import type { FinishedLease } from "../wire/heartbeat.ts";
import type { LeaseRequest, Refusal } from "../wire/lease.ts";
import { LeaseIds } from "./lease-ids.ts";

/** Rows are written in batches: what was used in the last seconds before a crash is lost, and nothing more. */
const SAVE_EVERY_MS = 10_000;
const USAGE_KEPT_DAYS = 400;
const DAY_MS = 86_400_000;

const TABLES = [
  "CREATE TABLE IF NOT EXISTS tenants (number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE)",
  "CREATE TABLE IF NOT EXISTS usage (tenant TEXT, day TEXT, model TEXT, requests INTEGER, prompt_tokens INTEGER, output_tokens INTEGER, PRIMARY KEY (tenant, day, model))",
];

export class Tenants {
  readonly #sql: SqlStorage;
  readonly #ids: LeaseIds;
  readonly #limits = createTenantLimits();
  readonly #usage = createUsage();
  readonly #numbers = new Map<string, number>();
  readonly #names = new Map<number, string>();
  readonly #tokensOfDay = new Map<string, { readonly day: string; tokens: number }>();
  #savedAt: number;

  constructor(sql: SqlStorage, now: number) {
    this.#sql = sql;
    this.#savedAt = now;
    this.#ids = new LeaseIds(sql);
    for (const table of TABLES) sql.exec(table);
    for (const { number, name } of sql.exec<{ number: number; name: string }>("SELECT * FROM tenants"))
      this.#know(number, name);
  }

  /** Why a tenant's request may not start now. Later attempts and hops of one that was let in are not judged again. */
  admit(fleet: Fleet, request: LeaseRequest, now: number): Refusal | undefined {
    if (request.attempt > 1 || (request.hops ?? 0) > 0 || (request.part ?? 0) > 0) return undefined;
    const { tenant, limits } = request.principal;
    const underWay = limits?.concurrent === undefined ? 0 : this.#underWay(fleet, tenant);
    const tokensToday = limits?.tokensPerDay === undefined ? 0 : this.#tokensToday(tenant, now);
    return admit(this.#limits, request, { now, underWay, tokensToday, loads: wouldLoad(fleet, request, now) });
  }

  /** A new id that tells the cell, and nobody else, whose lease it is: also after its memory was lost. */
  newLeaseId(tenant: string): string {
    return this.#ids.make(this.#numberOf(tenant));
  }

  /** Whether this cell has given the lease. */
  hasGiven(leaseId: string): boolean {
    return this.#ids.tenantOf(leaseId) !== undefined;
  }

  countFinished(finished: readonly FinishedLease[], now: number): void {
    for (const lease of finished) {
      const tenant = this.#names.get(this.#ids.tenantOf(lease.id) ?? Number.NaN);
      if (tenant === undefined || !countFinished(this.#usage, tenant, lease, now)) continue;
      const today = this.#tokensOfDay.get(tenant);
      if (today !== undefined) today.tokens += (lease.promptTokens ?? 0) + (lease.outputTokens ?? 0);
    }
    if (now - this.#savedAt >= SAVE_EVERY_MS) this.#save(now);
  }

  read({ tenant, sinceDay }: UsageQuery, now: number): UsageView[] {
    this.#save(now);
    return this.#sql
      .exec<UsageView & Record<string, SqlStorageValue>>(
        `SELECT tenant, day, model, requests, prompt_tokens AS promptTokens, output_tokens AS outputTokens
         FROM usage WHERE day >= ? AND (? IS NULL OR tenant = ?) ORDER BY day DESC, tenant, model`,
        sinceDay,
        tenant ?? null,
        tenant ?? null,
      )
      .toArray();
  }

  #save(now: number): void {
    this.#savedAt = now;
    const rows = takeUnsaved(this.#usage);
    for (const { tenant, day, model, requests, promptTokens, outputTokens } of rows) {
      this.#sql.exec(
        `INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, day, model) DO UPDATE SET
         requests = requests + excluded.requests, prompt_tokens = prompt_tokens + excluded.prompt_tokens,
         output_tokens = output_tokens + excluded.output_tokens`,
        tenant,
        day,
        model,
        requests,
        promptTokens,
        outputTokens,
      );
    }
    if (rows.length > 0) this.#sql.exec("DELETE FROM usage WHERE day < ?", dayOf(now - USAGE_KEPT_DAYS * DAY_MS));
  }

  #underWay(fleet: Fleet, tenant: string): number {
    return countUnderWay(fleet, tenant, `.${String(this.#numberOf(tenant))}`);
  }

  #tokensToday(tenant: string, now: number): number {
    const day = dayOf(now);
    const known = this.#tokensOfDay.get(tenant);
    if (known?.day === day) return known.tokens;
    const rows = this.read({ tenant, sinceDay: day }, now);
    const tokens = rows.reduce((sum, { promptTokens, outputTokens }) => sum + promptTokens + outputTokens, 0);
    this.#tokensOfDay.set(tenant, { day, tokens });
    return tokens;
  }

  #numberOf(tenant: string): number {
    let number = this.#numbers.get(tenant);
    if (number === undefined) {
      const inserted = this.#sql.exec<{ number: number }>(
        "INSERT INTO tenants (name) VALUES (?) RETURNING number",
        tenant,
      );
      number = inserted.one().number;
      this.#know(number, tenant);
    }
    return number;
  }

  #know(number: number, name: string): void {
    this.#numbers.set(name, number);
    this.#names.set(number, name);
  }
}
