// The last requests with what was decided about them: why this host, and how each attempt ended. Lost with the memory.
import type { RequestView } from "../wire/cell-rpc.ts";
import type { RecentView } from "../wire/fleet-view.ts";
import type { Grant, LeaseRequest, Outcome, Refusal } from "../wire/lease.ts";

/** About 2 KB each. */
const REMEMBERED_MAX = 1_000;

type Entry = { -readonly [Key in keyof RequestView]: RequestView[Key] } & { attempts: Attempt[] };
type Attempt = { -readonly [Key in keyof RequestView["attempts"][number]]: RequestView["attempts"][number][Key] };

export class RequestLog {
  readonly #entries = new Map<string, Entry>();
  readonly #attempts = new Map<string, Attempt>();

  begin({ requestId, principal, model, kind, streaming }: LeaseRequest, now: number): void {
    const known = this.#entries.get(requestId);
    if (known !== undefined) {
      // It was sent to another cell, or tried on another host, and has come back.
      delete known.refusal;
      return;
    }
    const { tenant } = principal;
    this.#entries.set(requestId, { requestId, tenant, model, kind, streaming, cameAt: now, attempts: [] });
    if (this.#entries.size <= REMEMBERED_MAX) return;
    const oldest = this.#entries.entries().next();
    if (oldest.done) return;
    const [id, { attempts }] = oldest.value;
    this.#entries.delete(id);
    for (const { leaseId } of attempts) this.#attempts.delete(leaseId);
  }

  granted(requestId: string, { leaseId, hostId, queuedMs, decision }: Grant, now: number): void {
    const attempt: Attempt = { leaseId, hostId, grantedAt: now, queuedMs, decision };
    this.#entries.get(requestId)?.attempts.push(attempt);
    this.#attempts.set(leaseId, attempt);
  }

  refused(requestId: string, refusal: Refusal): void {
    const entry = this.#entries.get(requestId);
    if (entry !== undefined) entry.refusal = refusal;
  }

  settled(leaseId: string, outcome: Outcome, now: number): void {
    const attempt = this.#attempts.get(leaseId);
    if (attempt === undefined) return;
    attempt.outcome = outcome;
    attempt.endedAt = now;
  }

  /** The last requests in short, newest first. */
  recent(limit: number): RecentView[] {
    const newest = [...this.#entries.values()].slice(-limit).toReversed();
    return newest.map(({ requestId, cameAt, tenant, model, attempts, refusal }) => {
      const last = attempts.at(-1);
      const running = last === undefined ? "waiting" : "running";
      const outcome = last?.outcome?.type ?? refusal?.code ?? running;
      return {
        requestId,
        cameAt,
        tenant,
        // A name that no host knows may be anything that somebody typed; `read` tells it to its own tenant.
        model: refusal?.code === "unknown_model" ? undefined : model,
        hostId: last?.hostId,
        queuedMs: last?.queuedMs,
        attempts: attempts.length,
        outcome,
      };
    });
  }

  /** Only to its own tenant, where one asks. */
  read(requestId: string, tenant: string | undefined): RequestView | undefined {
    const entry = this.#entries.get(requestId);
    return entry === undefined || (tenant !== undefined && entry.tenant !== tenant) ? undefined : entry;
  }
}
