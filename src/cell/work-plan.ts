// The authority for work on models: which hosts the fleet has chosen, as what an edge needs to call them.
import type { Fleet } from "../core/fleet.ts";
import { chooseWorkHosts } from "../core/model-work.ts";
import type { WorkAnswer, WorkQuery } from "../wire/model-work.ts";

/** Longest work on a model, a day: half a terabyte over a slow line. */
const WORK_LIMIT_MS = 24 * 3_600_000;

/** Plans the work, or says why it cannot be done. */
export function planWork(fleet: Fleet, query: WorkQuery, now: number): WorkAnswer {
  const chosen = chooseWorkHosts(fleet, query, now);
  if (!chosen.ok) return chosen;
  const { hosts, offline } = chosen.value;
  const targets = hosts.map(({ registration, runs }) => ({
    leaseId: crypto.randomUUID(),
    hostId: registration.id,
    hostUrl: registration.url,
    hostAgreementKey: registration.agreementKey,
    runId: runs[0]?.id ?? "",
    attempt: 1,
    expiresAt: now + WORK_LIMIT_MS,
  }));
  const holders = hosts.filter((host) => query.model !== undefined && host.models.has(query.model)).length;
  return { ok: true, value: { targets, offline: offline.map(({ registration }) => registration.id), holders } };
}
