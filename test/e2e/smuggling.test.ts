// Requests that two parsers would read differently, and paths that are not what they seem, over raw sockets.
import { connect } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

let fleet: TestFleet;

beforeAll(async () => {
  fleet = await startFleet();
  await fleet.addHost("a", { models: [simulatedModel({ name: "llama3.2" })] });
});
afterAll(async () => await fleet.close());

/** Sends bytes as they are; gives back all that came until the other end, or 2 s of silence. */
async function send(bytes: string): Promise<string> {
  const socket = connect(Number(new URL(fleet.url).port), "127.0.0.1");
  const pieces: Buffer[] = [];
  return await new Promise((resolve) => {
    const end = (): void => {
      socket.destroy();
      resolve(Buffer.concat(pieces).toString("latin1"));
    };
    socket.setTimeout(2_000, end);
    socket.on("data", (piece: Buffer) => void pieces.push(piece));
    socket.once("error", end);
    socket.once("close", end);
    socket.write(Buffer.from(bytes, "latin1"));
  });
}

const statuses = (answer: string) => [...answer.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
const CHAT = '{"model":"llama3.2","messages":[],"stream":false}';
const smuggled = () => `GET /hive/v1/fleet HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${fleet.adminToken}\r\n\r\n`;

it("never answers a request that was hidden in another's body [T12]", async () => {
  const auth = `Authorization: Bearer ${fleet.token}\r\n`;
  const inner = smuggled();
  const length = `Content-Length: ${String(CHAT.length + inner.length)}\r\n`;
  const attempts: Record<string, string> = {
    "both lengths, chunked last": `POST /api/chat HTTP/1.1\r\nHost: x\r\n${auth}${length}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`,
    "both lengths, chunked first": `POST /api/chat HTTP/1.1\r\nHost: x\r\n${auth}Transfer-Encoding: chunked\r\n${length}\r\n0\r\n\r\n${inner}`,
    "two lengths": `POST /api/chat HTTP/1.1\r\nHost: x\r\n${auth}Content-Length: 0\r\n${length}\r\n${inner}`,
    "a length with a sign": `POST /api/chat HTTP/1.1\r\nHost: x\r\n${auth}Content-Length: +0\r\n\r\n${inner}`,
    "a length with a space": `POST /api/chat HTTP/1.1\r\nHost: x\r\n${auth}Content-Length : 0\r\n\r\n${inner}`,
    "an odd encoding": `POST /api/chat HTTP/1.1\r\nHost: x\r\n${auth}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${inner}`,
    "a folded header": `POST /api/chat HTTP/1.1\r\nHost: x\r\n${auth}X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n`,
    "a bare CR": `POST /api/chat HTTP/1.1\r\nHost: x\r\n${auth}X: a\rTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n`,
    "a NUL": `POST /api/chat HTTP/1.1\r\nHost: x\r\n${auth}X: a\u0000b\r\nContent-Length: 0\r\n\r\n`,
  };
  const before = fleet.hosts[0]?.ollama.requests.length;
  for (const [name, bytes] of Object.entries(attempts)) {
    const answer = await send(bytes);
    expect(answer, name).not.toContain('"activeLeases"');
    expect(
      statuses(answer).filter((status) => status === 200),
      name,
    ).toEqual([]);
  }
  expect(fleet.hosts[0]?.ollama.requests.filter(({ method }) => method === "POST").length).toBeLessThanOrEqual(
    before ?? 0,
  );
});

it("takes no path for another's, however it is written [T12 T14]", async () => {
  const paths = [
    "/api/../hive/v1/fleet",
    "/api/%2e%2e/hive/v1/fleet",
    "/api/tags/../../hive/v1/fleet",
    "//hive/v1/fleet",
    "/hive//v1/fleet",
    "/hive/v1/fleet/",
    "/hive/v1/fleet%00",
    "/hive/v1/fleet;x=1",
    "/HIVE/v1/fleet",
    "/%68ive/v1/fleet",
    "/hive/v1/fleet?x=/api/tags",
    "/h/a/hive/v1/fleet",
    "/h/a/h/a/hive/v1/fleet",
    "/k/x/hive/v1/fleet",
    "\\hive\\v1\\fleet",
    "/api/tags\\..\\hive\\v1\\fleet",
    "http://other.example/hive/v1/fleet",
  ];
  for (const path of paths) {
    const request = `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${fleet.token}\r\nConnection: close\r\n\r\n`;
    const answer = await send(request);
    expect(answer, path).not.toContain('"activeLeases"');
    expect(
      statuses(answer).every((status) => status >= 400 || status === 301),
      `${path} ${answer.slice(0, 80)}`,
    ).toBe(true);
  }
});

it("lets no client take headers away from the hop behind, by naming them in Connection [T8 T12]", async () => {
  const named = "hive-edge-token, content-type, hive-request-id, keep-alive, upgrade";
  const extra = "Keep-Alive: timeout=1\r\nUpgrade: websocket\r\nTE: trailers\r\nProxy-Connection: x\r\nTrailer: x\r\n";
  const length = `Content-Length: ${String(CHAT.length)}\r\n`;
  const head = `POST /api/chat HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${fleet.token}\r\nConnection: close, ${named}\r\n`;
  const answer = await send(`${head}${extra}${length}\r\n${CHAT}`);
  expect(statuses(answer)).toEqual([200]);
  const seen = fleet.hosts[0]?.ollama.requests.findLast(({ url }) => url === "/api/chat");
  const names = Object.keys(seen?.headers ?? {});
  expect(names.filter((name) => ["upgrade", "te", "trailer", "proxy-connection", "keep-alive"].includes(name))).toEqual(
    [],
  );
});
