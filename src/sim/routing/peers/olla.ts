// Olla's balancers, from their description: priority tiers, and a sticky wrapper around least connections.
import { drawWeighted } from "./peer.ts";
import type { MakePeer, PeerHost } from "./peer.ts";
import { leastConnections } from "./simple.ts";

/** An operator who knows his machines puts GPUs that read at least this fast into the first tier. */
const FIRST_TIER_PREFILL = 3_000;
const STICKY_TTL_MS = 10 * 60_000;

/** The highest tier that has a host, and there by chance, weighted by health (all that are up are healthy). */
export const ollaPriority: MakePeer = ({ random }) => ({
  choose(_, hosts) {
    const first = hosts.filter(({ kind }) => kind.prefillPerSecond >= FIRST_TIER_PREFILL);
    return drawWeighted(first.length > 0 ? first : hosts, () => 1, random);
  },
});

/** A session stays where it was last, while that is up and not forgotten; the rest goes by least connections. */
export const ollaSticky: MakePeer = (context) => {
  const inner = leastConnections(context);
  const sessions = new Map<string, { readonly host: PeerHost; readonly at: number }>();
  return {
    choose(request, hosts) {
      const key = `${request.item.model} ${request.item.session}`;
      const at = context.now();
      const known = sessions.get(key);
      const fresh = known !== undefined && at - known.at < STICKY_TTL_MS && hosts.includes(known.host);
      const host = fresh ? known.host : inner.choose(request, hosts);
      sessions.set(key, { host, at });
      return host;
    },
  };
};
