// Ends a request to Ollama so that the end is proven. Closing our half tells Ollama that nobody listens (Go's server cancels the
// request's context on it); that Ollama then closes its own half proves that the work has ended. Else the connection is reset.
import type { ClientRequest } from "node:http";

/** Ollama lets go within milliseconds; a slot must be free within 2 s. */
const HEED_MS = 1_000;

/** Resolves when the connection is gone: true when Ollama did not heed the first close and was reset. */
export async function hangUp(request: ClientRequest): Promise<boolean> {
  request.on("error", () => undefined);
  // It is over, and its connection may carry another request by now: Node leaves the socket on a request that has given it back.
  if (request.destroyed) return false;
  const { socket } = request;
  if (socket === null || socket.connecting || socket.destroyed) {
    request.destroy();
    return false;
  }
  const closed = new Promise<void>((resolve) => void socket.once("close", () => resolve()));
  socket.end();
  let timer: NodeJS.Timeout | undefined;
  const ignored = new Promise<"ignored">((resolve) => {
    timer = setTimeout(() => resolve("ignored"), HEED_MS);
  });
  const forced = (await Promise.race([closed, ignored])) === "ignored";
  clearTimeout(timer);
  if (forced) socket.resetAndDestroy();
  await closed;
  return forced;
}
