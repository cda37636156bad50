// Tells a self-hosted edge which clients have closed their connections, so that what ran for them ends at once.
import { issueAdminToken } from "../auth/admin-token.ts";
import type { HiveKeys } from "../auth/keys.ts";
import type { ConnectionWatch } from "../selfhost/closed-connections.ts";
import { watchClosedConnections } from "../selfhost/closed-connections.ts";
import type { Edge } from "../selfhost/edge.ts";

const REPORT_TIMEOUT_MS = 5_000;

/** Watches the clients of an edge until it is closed. */
export function reportDepartures(edge: Edge, keys: HiveKeys): ConnectionWatch {
  return watchClosedConnections(edge.port, async (connections) => {
    const issuer = edge.settings.HIVE_ISSUER;
    const token = await issueAdminToken(keys, { sub: "hive-front", issuer, now: Date.now() });
    const response = await fetch(`${edge.url}/hive/v1/connections/closed`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ connections }),
      signal: AbortSignal.timeout(REPORT_TIMEOUT_MS),
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`the edge answered ${String(response.status)}`);
  });
}
