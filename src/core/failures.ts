// What a failed request does to its host: out at once, back through one lease at a time.
import type { Fleet, Host, Lease } from "./state.ts";

const FIRST_BACKOFF_MS = 5_000;
const LONGEST_BACKOFF_MS = 60_000;
/** A host that says it is full usually has a free slot within a second. */
const REFUSED_BACKOFF_MS = 1_000;
/** One broken model, or one client's broken image, must not keep a host from all others. */
const ERRORS_TOLERATED = 2;

/**
 * Records that a request failed on its host. Only the failure of a probe doubles the backoff: when a host goes down,
 * all requests it had fail together and are one failure.
 */
export function recordFailure(fleet: Fleet, host: Host, lease: Lease, now: number): void {
  const { failure } = host;
  if (failure !== undefined && failure.probeLeaseId !== lease.id) return;
  const backoffMs = failure === undefined ? FIRST_BACKOFF_MS : Math.min(failure.backoffMs * 2, LONGEST_BACKOFF_MS);
  host.failure = { backoffMs, retryAt: now + backoffMs };
  fleet.faltering.add(host);
}

/** Records that the host turned a request away: full, or another run than meant. */
export function recordRefusal(fleet: Fleet, host: Host, now: number): void {
  host.refusedUntil = now + REFUSED_BACKOFF_MS;
  fleet.faltering.add(host);
}

/** Records that the host's Ollama answered with an error of its own: so often in a row that it may be broken as a whole. */
export function recordError(fleet: Fleet, host: Host, now: number): void {
  host.errorsInRow += 1;
  if (host.errorsInRow > ERRORS_TOLERATED) recordRefusal(fleet, host, now);
}

/** Records that the host served a request. */
export function recordServed(host: Host): void {
  host.errorsInRow = 0;
  host.failure = undefined;
}

/** Tells why a host gets no lease at this moment, if so. */
export function backoffReason(host: Host, now: number): "refused_recently" | "backing_off" | "probing" | undefined {
  if (now < host.refusedUntil) return "refused_recently";
  if (host.failure === undefined) return undefined;
  if (now < host.failure.retryAt) return "backing_off";
  const { probeLeaseId } = host.failure;
  return probeLeaseId !== undefined && host.leases.has(probeLeaseId) ? "probing" : undefined;
}
