// How often an address has failed to prove itself lately: beyond a limit nothing more is computed for it.

const WINDOW_MS = 60_000;
/** A person who pastes wrong tokens stays far below; guessing at 2 a second leads nowhere. */
const FAILURES_MAX = 120;
/** Of all hosts behind one address together: a made-up id in the path must not begin the count anew. */
export const HOSTS_FAILURES_MAX = 10 * FAILURES_MAX;
/** Most addresses remembered; beyond it the oldest go. */
const ADDRESSES_MAX = 20_000;

interface Failures {
  readonly since: number;
  count: number;
}

const failures = new Map<string, Failures>();

/** Seconds until an address may try again; undefined for one that may now. */
export function blockedFor(address: string, now: number, mostFailures = FAILURES_MAX): number | undefined {
  const known = failures.get(address);
  if (known === undefined || known.count < mostFailures) return undefined;
  const leftMs = known.since + WINDOW_MS - now;
  return leftMs > 0 ? Math.ceil(leftMs / 1000) : undefined;
}

export function noteFailure(address: string, now: number): void {
  const known = failures.get(address);
  if (known !== undefined && now - known.since < WINDOW_MS) {
    known.count += 1;
    return;
  }
  failures.delete(address);
  failures.set(address, { since: now, count: 1 });
  if (failures.size <= ADDRESSES_MAX) return;
  const oldest = failures.keys().next();
  if (!oldest.done) failures.delete(oldest.value);
}

/**
 * Where a request comes from: as workerd saw the connection, else as Cloudflare says. The header alone is believed only
 * where there is no connection to see, for on plain workerd anybody can write it.
 */
export function addressOf({ cf, headers }: { readonly cf?: object | undefined; readonly headers: Headers }): string {
  const seen: unknown = cf !== undefined && "clientIp" in cf ? cf.clientIp : undefined;
  const address = typeof seen === "string" ? withoutPort(seen) : (headers.get("cf-connecting-ip") ?? "unknown");
  return address.includes(":") ? networkOf(address) : address;
}

function withoutPort(text: string): string {
  const match = /^\[?(.*?)\]?:\d+$/.exec(text);
  return match?.[1] ?? text;
}

/** The /64 of an IPv6 address: whoever has one has all of it. */
function networkOf(address: string): string {
  const [head = "", tail] = address.toLowerCase().split("::");
  const groups = head === "" ? [] : head.split(":");
  const missing = tail === undefined ? 0 : 8 - groups.length - (tail === "" ? 0 : tail.split(":").length);
  const whole = [...groups, ...Array.from({ length: Math.max(0, missing) }, () => "0"), ...(tail ?? "").split(":")];
  return whole.slice(0, 4).join(":");
}
