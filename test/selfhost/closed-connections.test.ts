// The kernel's tables as they look on real machines.
import { connect, createServer } from "node:net";
import { expect, it } from "vitest";
import {
  listensIn,
  parseNetstat,
  parseProcTable,
  watchClosedConnections,
} from "../../src/selfhost/closed-connections.ts";

const PROC = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2253 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
   1: 0100007F:2253 0100007F:C001 08 00000000:00000001 00:00000000 00000000     0        0 2 1
   2: 0100007F:2253 0200007F:C002 01 00000000:00000000 00:00000000 00000000     0        0 3 1
   3: 0100007F:1F90 0100007F:C003 08 00000000:00000000 00:00000000 00000000     0        0 4 1`;

it("finds the clients that closed their side of the port, and no others", () => {
  expect(parseProcTable(PROC, 8787)).toEqual(["127.0.0.1:49153"]);
});

it("reads IPv4 addresses inside IPv6 and IPv6 ones", () => {
  const mapped = "0000000000000000FFFF00000100007F";
  const loopback = "00000000000000000000000001000000";
  expect(parseProcTable(` 0: ${mapped}:2253 ${mapped}:C001 08`, 8787)).toEqual(["127.0.0.1:49153"]);
  expect(parseProcTable(` 0: ${loopback}:2253 ${loopback}:C001 08`, 8787)).toEqual(["[::1]:49153"]);
});

it("reads netstat of macOS and of Windows", () => {
  expect(parseNetstat("tcp4  0  0  127.0.0.1.8787  127.0.0.1.49153  CLOSE_WAIT", 8787)).toEqual(["127.0.0.1:49153"]);
  expect(parseNetstat("  TCP    127.0.0.1:8787    127.0.0.1:49153    CLOSE_WAIT    42", 8787)).toEqual([
    "127.0.0.1:49153",
  ]);
  expect(parseNetstat("  TCP    127.0.0.1:8787    127.0.0.1:49153    ESTABLISHED    42", 8787)).toEqual([]);
});

it("knows in which table a port listens, so that the other need not be read", () => {
  expect([listensIn(PROC, 8787), listensIn(PROC, 8080), listensIn("", 8787)]).toEqual([true, false, false]);
});

it.runIf(process.platform === "linux")("reports who has closed until the other side has let go too", async () => {
  const server = createServer({ allowHalfOpen: true }, (socket) => void socket.resume());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const client = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  await new Promise((resolve) => client.once("connect", resolve));
  const self = `127.0.0.1:${String(client.localPort)}`;
  const looks: (readonly string[])[] = [];
  const seen = Promise.withResolvers<void>();
  const watch = watchClosedConnections(port, async (connections) => {
    looks.push(connections);
    // The first report is lost; the second comes too early for the request to be known.
    if (looks.length === 1) throw new Error("the edge is busy");
    if (looks.length === 3) seen.resolve();
  });
  client.end();
  await seen.promise;
  expect(looks).toEqual([[self], [self], [self]]);
  watch.close();
  client.destroy();
  server.close();
});
