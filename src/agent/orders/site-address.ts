// Which addresses are of the own site: where models may be fetched from and offered, and nothing else (SSRF).
import { BlockList, isIP } from "node:net";

const site = new BlockList();
// Loopback, RFC 1918, RFC 6598 (carrier-grade NAT, as overlay networks use it), RFC 4193; not link-local: clouds answer there.
for (const [network, prefix] of [
  ["127.0.0.0", 8],
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["100.64.0.0", 10],
] as const)
  site.addSubnet(network, prefix, "ipv4");
site.addAddress("::1", "ipv6");
site.addSubnet("fc00::", 7, "ipv6");

/** Whether an IP address, written out, is of the own site. */
export function isSiteAddress(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && site.check(address, family === 4 ? "ipv4" : "ipv6");
}

/** Whether a URL is a plain address and port of the own site: what another host says of itself is not trusted further. */
export function isSiteUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url?.protocol !== "http:" || `${url.origin}/` !== url.href) return false;
  return isSiteAddress(url.hostname.replace(/^\[(.*)\]$/, "$1"));
}
