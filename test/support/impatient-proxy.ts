// A proxy between edge and agent that gives up as Cloudflare's does: 524 where no header comes in time, and a cut connection where
// the answer falls silent for that long.
import { createServer, request as httpRequest } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";

export interface ImpatientProxy {
  readonly url: string;
  /** Answers it has given up. */
  readonly cuts: () => number;
  close(): Promise<void>;
}

/** Starts a proxy in front of a port on loopback. */
export async function startImpatientProxy(port: number, silenceMs: number): Promise<ImpatientProxy> {
  let cuts = 0;
  const pass = (incoming: IncomingMessage, response: ServerResponse): void => {
    const { method, url, headers } = incoming;
    const upstream = httpRequest({ host: "127.0.0.1", port, method, path: url, headers, agent: false });
    const giveUp = (): void => {
      cuts += 1;
      upstream.destroy();
      if (response.headersSent) response.destroy();
      else response.writeHead(524).end("<html>A timeout occurred</html>");
    };
    let timer = setTimeout(giveUp, silenceMs);
    const alive = (): void => {
      clearTimeout(timer);
      timer = setTimeout(giveUp, silenceMs);
    };
    response.once("close", () => {
      clearTimeout(timer);
      upstream.destroy();
    });
    upstream.on("error", () => response.destroy());
    upstream.once("response", (answer) => {
      alive();
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      response.flushHeaders();
      answer.on("data", (chunk: Buffer) => {
        alive();
        response.write(chunk);
      });
      answer.once("end", () => response.end());
      answer.once("error", () => response.destroy());
    });
    incoming.pipe(upstream);
  };
  const server = createServer({ requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 60_000 }, pass);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const own = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${own}`,
    cuts: () => cuts,
    close: async () =>
      await new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
