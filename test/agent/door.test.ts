// The agent's door by itself: who can reach it, how much it holds for strangers, and which tokens it remembers.
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { PassThrough } from "node:stream";
import type { IncomingMessage } from "node:http";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ReplayCache } from "../../src/agent/door/replay-cache.ts";
import { createDoor, refuse } from "../../src/agent/door/server.ts";
import type { DoorLimits } from "../../src/agent/door/server.ts";
import { readBody } from "../../src/agent/relay/read-body.ts";
import { LEG_TOKEN_HEADER } from "../../src/wire/leg.ts";
import { CHAT, sendRaw, startHost } from "./fixture.ts";

const MB = 2 ** 20;
const opened: Socket[] = [];
afterEach(() => {
  vi.useRealTimers();
  for (const socket of opened.splice(0)) socket.destroy();
});

/** How a connection ended: all that came, or why there was none. */
async function knock(port: number, hostname: string, bytes: string): Promise<string> {
  const socket = connect(port, hostname);
  opened.push(socket);
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  socket.on("connect", () => socket.write(bytes));
  return await new Promise((resolve) => {
    socket.once("error", (fault: NodeJS.ErrnoException) => resolve(fault.code ?? "error"));
    socket.once("close", () => resolve(text));
  });
}

/** A door that lets nobody in. */
async function openDoor(limits: DoorLimits): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createDoor((_request, response) => refuse(response, 401), limits);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe("the agent's port [T1]", () => {
  it("is loopback's alone", async () => {
    await using host = await startHost();
    // Also this machine, but another address: only a port that listens on all would answer.
    expect(await knock(host.agent.port, "127.0.0.2", "GET / HTTP/1.1\r\n\r\n")).toMatch(/^E[A-Z]+$/);
    expect(await knock(host.agent.port, "127.0.0.1", "GET / HTTP/1.1\r\n\r\n")).toMatch(/^HTTP\/1\.1 401 /);
  });
});

describe("what the door holds for strangers [T21]", () => {
  it("is a header of 16 KB, also for who has a token", async () => {
    await using host = await startHost();
    const text = JSON.stringify(CHAT);
    const send = async (padding: number) => {
      const token = await host.edge.sign({ body: Buffer.from(text) });
      const head = `POST /api/chat HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${LEG_TOKEN_HEADER}: ${token}\r\n`;
      const bytes = `${head}x: ${"x".repeat(padding)}\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
      return (await sendRaw(host.agent.port, bytes)).slice(0, 12);
    };
    expect(await send(8_000)).toBe("HTTP/1.1 200");
    expect(await send(17_000)).toBe("HTTP/1.1 401");
  });

  it("is so many connections", async () => {
    await using door = await openDoor({ headersMs: 60_000, connections: 2 });
    const held = [knock(door.port, "127.0.0.1", "GET / HTT"), knock(door.port, "127.0.0.1", "GET / HTT")];
    await Promise.all(opened.map(async (socket) => await once(socket, "connect")));
    expect(await knock(door.port, "127.0.0.1", "GET / HTTP/1.1\r\n\r\n")).not.toContain("401");
    for (const socket of opened.splice(0)) socket.destroy();
    await Promise.all(held);
  });

  it("is a header for so long", async () => {
    await using door = await openDoor({ headersMs: 200, connections: 10 });
    // They end without a word of their own.
    for (const bytes of ["GET / HTT", "GET / HTTP/1.1\r\nx: "])
      expect(await knock(door.port, "127.0.0.1", bytes)).toMatch(/^(HTTP\/1\.1 401 .*)?/);
  });

  const request = (headers: Record<string, string> = {}) => {
    const stream = new PassThrough();
    return { stream, read: readBody(Object.assign(stream, { headers }) as unknown as IncomingMessage) };
  };

  it("is a body of 64 MB, declared or not", async () => {
    expect(await request({ "content-length": String(64 * MB + 1) }).read).toBeUndefined();
    const piece = Buffer.alloc(MB);
    for (const [count, isTaken] of [
      [64, true],
      [65, false],
    ] as const) {
      const { stream, read } = request();
      const closed = new Promise((resolve) => stream.once("close", resolve));
      const feed = async (): Promise<void> => {
        for (let time = 0; time < count && !stream.destroyed; time += 1)
          if (!stream.write(piece))
            await Promise.race([new Promise((resolve) => stream.once("drain", resolve)), closed]);
        stream.end();
      };
      const [body] = await Promise.all([read, feed().catch(() => undefined)]);
      expect([count, body !== undefined]).toEqual([count, isTaken]);
    }
  });

  it("is a body for a minute", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { stream, read } = request({ "content-length": "10" });
    stream.write("slow");
    vi.advanceTimersByTime(59_000);
    expect(stream.destroyed).toBe(false);
    vi.advanceTimersByTime(1_001);
    expect(await read).toBeUndefined();
  });
});

describe("a token that was used [T2]", () => {
  it("is known for as long as it would be accepted, and no longer", () => {
    const cache = new ReplayCache();
    const [lifeMs, toleranceMs] = [30_000, 30_000];
    expect(cache.use("one", lifeMs, 0)).toBe(true);
    for (let at = 0; at < 1_000; at += 1) cache.use(`early-${String(at)}`, lifeMs, lifeMs + toleranceMs - 1);
    expect(cache.use("one", lifeMs, lifeMs + toleranceMs - 1)).toBe(false);
    for (let at = 0; at < 10_000; at += 1) cache.use(`later-${String(at)}`, at * 100 + lifeMs, at * 100);
    // A minute of 10 tokens a second, and what came since the last look.
    expect(cache.size).toBeLessThan(1_000);
  });
});
