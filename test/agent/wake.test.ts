// Wake-on-LAN: the packet, and that it leaves.
import { createSocket } from "node:dgram";
import { expect, it } from "vitest";
import { magicPacket, wake } from "../../src/agent/orders/wake.ts";

const MAC = "0a:1b:2c:3d:4e:5f";

it("is six bytes FF and sixteen times the address", () => {
  const packet = magicPacket(MAC);
  expect(packet.byteLength).toBe(102);
  expect(packet.subarray(0, 12).toString("hex")).toBe("ffffffffffff0a1b2c3d4e5f");
  expect(packet.subarray(96).toString("hex")).toBe("0a1b2c3d4e5f");
  expect(magicPacket("0A-1B-2C-3D-4E-5F")).toEqual(packet);
  expect(() => magicPacket("0a:1b")).toThrow(RangeError);
});

it("arrives where it is sent", async () => {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", () => resolve()));
  const got = new Promise<Buffer>((resolve) => socket.once("message", resolve));
  await wake(MAC, [{ address: "127.0.0.1", port: socket.address().port }]);
  expect(await got).toEqual(magicPacket(MAC));
  socket.close();
});
