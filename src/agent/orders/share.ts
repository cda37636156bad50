// The agent's second door, opened only on request: lets other hosts of the site fetch the files of models, and nothing else.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { verifyCopyToken } from "../../auth/copy-token.ts";
import type { deriveLegKey } from "../../auth/leg-token.ts";
import { AgentError } from "../agent-error.ts";
import type { EdgeClock } from "../edge-clock.ts";
import type { Log } from "../log.ts";
import { blobPath, findModelFiles } from "./model-files.ts";
import type { ModelFiles } from "./model-files.ts";
import { createDoor, refuse } from "../door/server.ts";
import { isSiteAddress } from "./site-address.ts";

/** Path of a model's manifest; the token says which model. */
export const SHARED_MANIFEST = "/hive/v1/share/manifest";
/** Path of a blob, with its digest behind. */
export const SHARED_BLOB = "/hive/v1/share/blobs/";
/** Copies at once: a disk reads one stream faster than ten. */
const STREAMS_MAX = 4;

export interface ShareDeps {
  readonly listen: { readonly hostname: string; readonly port: number };
  readonly modelsDir: string;
  readonly legKey: Awaited<ReturnType<typeof deriveLegKey>>;
  readonly hostId: string;
  readonly issuer: string;
  readonly clock: EdgeClock;
  readonly log: Log;
}

export interface Share {
  readonly url: string;
  close(): Promise<void>;
}

/** Opens the door; throws an AgentError with one clear line where it cannot. */
export async function openShare(deps: ShareDeps): Promise<Share> {
  if (!isSiteAddress(deps.listen.hostname))
    throw new AgentError(
      "--share: give the address by which other hosts of the site reach this one, e.g. 192.168.1.5:11436",
    );
  let streams = 0;
  const server = createDoor((request, response) => {
    if (streams >= STREAMS_MAX) {
      refuse(response, 503);
      return;
    }
    streams += 1;
    serve(deps, request, response)
      .catch(() => response.destroy())
      .finally(() => (streams -= 1));
  });
  const { hostname, port } = deps.listen;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (fault: NodeJS.ErrnoException) => {
      reject(new AgentError(`--share: ${hostname}:${port} cannot be listened on (${String(fault.code)})`));
    });
    server.listen(port, hostname, resolve);
  });
  const address = server.address();
  const actual = typeof address === "object" && address !== null ? address.port : port;
  const close = async (): Promise<void> => {
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  };
  return { url: `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${actual}`, close };
}

async function serve(deps: ShareDeps, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const files = request.method === "GET" ? await openedFiles(deps, request) : undefined;
  const path = request.url ?? "";
  if (files !== undefined && path === SHARED_MANIFEST) {
    response.writeHead(200, { "content-length": String(files.manifest.byteLength) }).end(files.manifest);
    return;
  }
  const digest = path.startsWith(SHARED_BLOB) ? path.slice(SHARED_BLOB.length) : "";
  // What the token's model does not consist of is not there, like everything else for strangers.
  if (files?.blobs.some((blob) => blob.digest === digest) !== true) {
    refuse(response, 401);
    return;
  }
  await sendBlob(blobPath(deps.modelsDir, digest), request, response);
  deps.log({ event: "blob-shared", digest });
}

/** The files that the request's token opens. */
async function openedFiles(deps: ShareDeps, request: IncomingMessage): Promise<ModelFiles | undefined> {
  const token = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1] ?? "";
  const { hostId: giver, issuer, clock } = deps;
  const verified = await verifyCopyToken(deps.legKey, token, { giver, issuer, now: clock.now() });
  return verified.ok ? await findModelFiles(deps.modelsDir, verified.value.model) : undefined;
}

/** Sends a file from the offset that a Range header names (RFC 9110, one open range), else whole. */
async function sendBlob(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { size } = await stat(path);
  const start = Number(/^bytes=(\d{1,15})-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  if (start > size || (start === size && size > 0)) {
    response.writeHead(416, { "content-range": `bytes */${size}`, "content-length": "0" }).end();
    return;
  }
  const range = start === 0 ? {} : { "content-range": `bytes ${start}-${size - 1}/${size}` };
  response.writeHead(start === 0 ? 200 : 206, { "content-length": String(size - start), ...range });
  await pipeline(createReadStream(path, { start }), response);
}
