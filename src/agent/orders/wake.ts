// Wakes a sleeping machine: the magic packet of Wake-on-LAN, to everybody on the local network.
import { createSocket } from "node:dgram";
import { networkInterfaces } from "node:os";

/** The discard port, as all tools use it; the network card looks at the bytes alone. */
const WAKE_PORT = 9;
/** The packet is not acknowledged, so it is sent more than once. */
const TIMES = 3;
const GAP_MS = 100;

/** Six bytes FF, then sixteen times the address (AMD, Magic Packet Technology, 1995). */
export function magicPacket(mac: string): Buffer {
  const address = Buffer.from(mac.replaceAll(/[:-]/g, ""), "hex");
  if (address.byteLength !== 6) throw new RangeError("a MAC address has six bytes");
  return Buffer.concat([Buffer.alloc(6, 0xff), ...Array.from({ length: 16 }, () => address)]);
}

export interface WakeTarget {
  readonly address: string;
  readonly port: number;
}

/** Sends the packet to every local network of this machine; rejects where none takes it. */
export async function wake(mac: string, targets: readonly WakeTarget[] = broadcasts()): Promise<void> {
  const packet = magicPacket(mac);
  const socket = createSocket("udp4");
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(0, () => resolve());
    });
    socket.setBroadcast(true);
    let sent = 0;
    for (let time = 0; time < TIMES; time += 1) {
      if (time > 0) await new Promise((resolve) => setTimeout(resolve, GAP_MS));
      const outcomes = await Promise.allSettled(targets.map(async (target) => await send(socket, packet, target)));
      sent += outcomes.filter(({ status }) => status === "fulfilled").length;
    }
    if (sent === 0) throw new Error("no network takes the packet");
  } finally {
    socket.close();
  }
}

async function send(socket: ReturnType<typeof createSocket>, packet: Buffer, target: WakeTarget): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.send(packet, target.port, target.address, (fault) => (fault === null ? resolve() : reject(fault)));
  });
}

/** The broadcast address of each network that this machine is in, and the general one. */
function broadcasts(): WakeTarget[] {
  const own = Object.values(networkInterfaces()).flatMap((rows) => rows ?? []);
  const addresses = own.filter(({ family, internal }) => family === "IPv4" && !internal).map(broadcastOf);
  return [...new Set([...addresses, "255.255.255.255"])].map((address) => ({ address, port: WAKE_PORT }));
}

function broadcastOf({ address, netmask }: { readonly address: string; readonly netmask: string }): string {
  const mask = netmask.split(".").map(Number);
  return address
    .split(".")
    .map((part, index) => Number(part) | (~(mask[index] ?? 255) & 255))
    .join(".");
}
