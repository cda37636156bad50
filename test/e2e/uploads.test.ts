// Blobs flow through edge and agent to Ollama: however large, nothing of them is held on the way.
import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { freePort, startFleet, startHive } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";
import { childOf, residentMb } from "../support/memory.ts";

const PIECE_BYTES = 1_000_000;
const LARGE_MB = 256;
/** What buffers on the way may take; a blob that was held would take four times as much. */
const GROWTH_MAX_MB = 64;
let fleet: TestFleet;
let manager: string;

beforeAll(async () => {
  // A tenth of a blob is the most that a body may have: uploads are not held, and so not counted.
  fleet = await startFleet({ MAX_BODY: "25MB" });
  await fleet.addHost("a", { models: [simulatedModel({ name: "llama3.2" })] });
  manager = await fleet.clientToken({ scope: ["inference", "manage"] });
});
afterAll(async () => await fleet.close());

/** A blob of so many pieces that is never in memory whole, and its digest. */
function blobOf(pieces: number): { digest: string; stream: () => ReadableStream<Uint8Array> } {
  const piece = randomBytes(PIECE_BYTES);
  const hash = createHash("sha256");
  for (let count = 0; count < pieces; count += 1) hash.update(piece);
  const stream = () => {
    let left = pieces;
    return new ReadableStream<Uint8Array>({
      pull(controller) {
        if (left === 0) controller.close();
        else controller.enqueue(new Uint8Array(piece));
        left -= 1;
      },
    });
  };
  return { digest: `sha256:${hash.digest("hex")}`, stream };
}

async function upload(
  base: string,
  digest: string,
  body: ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer>,
  token: string | undefined,
): Promise<Response> {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return await fetch(`${base}/api/blobs/${digest}`, { method: "POST", headers, body, duplex: "half" });
}

async function has(digest: string): Promise<number> {
  const headers = { authorization: `Bearer ${manager}` };
  return (await fetch(`${fleet.url}/api/blobs/${digest}`, { method: "HEAD", headers })).status;
}

it.runIf(process.platform === "linux")(
  `stores ${LARGE_MB} MB without a length, and edge and agent hold none of it`,
  async () => {
    const workerd = await childOf(fleet.edge.child.pid ?? 0, "workerd");
    const agent = fleet.hosts[0]?.agent.child.pid ?? 0;
    const measure = async () => [await residentMb(workerd), await residentMb(agent)];
    const before = await measure();
    const peak = [...before];
    const { digest, stream } = blobOf(LARGE_MB);
    expect(await has(digest)).toBe(404);
    const progress = { done: false };
    const stored = upload(fleet.url, digest, stream(), manager).finally(() => (progress.done = true));
    while (!progress.done) {
      for (const [at, now] of (await measure()).entries()) peak[at] = Math.max(peak[at] ?? 0, now);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect((await stored).status).toBe(201);
    expect(await has(digest)).toBe(200);
    console.info(`edge ${before[0]} MB before, ${peak[0]} at most; agent ${before[1]} MB before, ${peak[1]} at most`);
    for (const [at, now] of peak.entries()) expect(now).toBeLessThan((before[at] ?? 0) + GROWTH_MAX_MB);
  },
);

it("answers as Ollama does: there already, another digest, no digest", async () => {
  const { digest, stream } = blobOf(3);
  const whole = new Uint8Array(await new Response(stream()).arrayBuffer());
  expect((await upload(fleet.url, digest, whole, manager)).status).toBe(201);
  expect((await upload(fleet.url, digest, whole, manager)).status).toBe(200);
  const wrong = `sha256:${"0".repeat(64)}`;
  const mismatch = await upload(fleet.url, wrong, whole, manager);
  expect([mismatch.status, await mismatch.json()]).toEqual([
    400,
    { error: `digest mismatch, expected "${wrong}", got "${digest}"` },
  ]);
  expect((await upload(fleet.url, "sha256:xyz", whole, manager)).status).toBe(400);
});

it("opens to nobody without scope manage [T24]", async () => {
  const { digest, stream } = blobOf(1);
  const refused = await upload(fleet.url, digest, stream(), fleet.token);
  expect([refused.status, typeof ((await refused.json()) as { error: unknown }).error]).toEqual([403, "string"]);
  expect(await has(digest)).toBe(404);
});

it("flows through `hive proxy` too", async () => {
  const port = await freePort();
  const env = { HIVE_TOKEN: manager };
  const proxy = await startHive(["proxy", "--port", String(port), "--edge", fleet.url], "hive: ready", env);
  const { digest, stream } = blobOf(20);
  expect((await upload(`http://127.0.0.1:${port}`, digest, stream(), undefined)).status).toBe(201);
  await proxy.stop();
});
