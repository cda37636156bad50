// Which edge an agent may speak to without TLS: who stands between the two could pass for the edge, and order the host about.
import { isSiteAddress } from "./orders/site-address.ts";

/** Names that no public DNS has: `edge` in a network of containers, `hive.lan`. */
const PRIVATE_NAME = /^(?:[a-z0-9_-]+|.+\.(?:internal|local|localhost|lan|home\.arpa|test))$/i;

/** Whether nobody else can listen to what is said to this edge, or change it. */
export function isConfidential({ protocol, hostname }: URL): boolean {
  const name = hostname.replace(/^\[(.*)\]$/, "$1");
  return protocol === "https:" || isSiteAddress(name) || PRIVATE_NAME.test(name);
}
