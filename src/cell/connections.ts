// Which request runs on which client connection: so that a front that sees a connection close can say what nobody waits for.
import type { CancelledLease } from "../wire/cell-rpc.ts";
import type { Grant, LeaseRequest } from "../wire/lease.ts";

/** Most requests remembered; the oldest goes first. A lease that ended unseen leaves its entry behind until then. */
const REMEMBERED_MAX = 5_000;

interface Entry {
  readonly connection: string;
  readonly grant?: Grant;
}

export class Connections {
  readonly #byRequest = new Map<string, Entry>();
  readonly #requestOfLease = new Map<string, string>();

  /** Notes where a request came from; requests of runtimes that do not tell are not noted. */
  begin(request: LeaseRequest): void {
    if (request.connection === undefined) return;
    // The lease of an attempt that failed is none of its any more.
    this.end(request.requestId);
    this.#byRequest.set(request.requestId, { connection: request.connection });
    if (this.#byRequest.size <= REMEMBERED_MAX) return;
    const oldest = this.#byRequest.keys().next();
    if (!oldest.done) this.end(oldest.value);
  }

  granted(requestId: string, grant: Grant): void {
    const entry = this.#byRequest.get(requestId);
    if (entry === undefined) return;
    this.#byRequest.set(requestId, { connection: entry.connection, grant });
    this.#requestOfLease.set(grant.leaseId, requestId);
  }

  end(requestId: string): void {
    const leaseId = this.#byRequest.get(requestId)?.grant?.leaseId;
    this.#byRequest.delete(requestId);
    if (leaseId !== undefined) this.#requestOfLease.delete(leaseId);
  }

  endLease(leaseId: string): void {
    const requestId = this.#requestOfLease.get(leaseId);
    if (requestId !== undefined) this.end(requestId);
  }

  /** Requests on any of these connections, with the lease they hold, if any. */
  on(connections: readonly string[]): { requestId: string; lease?: CancelledLease }[] {
    const wanted = new Set(connections);
    return [...this.#byRequest].flatMap(([requestId, { connection, grant }]) => {
      if (!wanted.has(connection)) return [];
      return [grant === undefined ? { requestId } : { requestId, lease: { requestId, grant } }];
    });
  }
}
