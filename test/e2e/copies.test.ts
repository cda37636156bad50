// Copies of models, by rule: loaded where they lie, downloaded where they do not, copied from host to host where that is possible.
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import type { ScaleView } from "../../src/wire/scale.ts";
import { eventually, startFleet } from "../support/fleet.ts";
import type { FleetHost, TestFleet } from "../support/fleet.ts";

const MODEL = "registry.ollama.ai/library/llama3.2:latest";
let fleet: TestFleet;

afterEach(async () => await fleet.close());

async function copiesLoaded(): Promise<number> {
  const response = await fetch(`${fleet.url}/hive/v1/scale`, {
    headers: { authorization: `Bearer ${fleet.adminToken}` },
  });
  const { models } = (await response.json()) as ScaleView;
  return models.find(({ name }) => name === MODEL)?.loaded ?? 0;
}

function loadsOf({ ollama }: FleetHost, keepAlive: number | undefined): number {
  return ollama.requests.filter(({ url, bodyText }) => {
    if (url !== "/api/generate") return false;
    return (JSON.parse(bodyText) as { keep_alive?: number }).keep_alive === keepAlive;
  }).length;
}

it("loads the copies that a rule wants, to stay where it pins them, and downloads the model where it is missing", async () => {
  const model = simulatedModel({ name: "llama3.2", sizeBytes: 4_000, loadMs: 50 });
  fleet = await startFleet({
    HEARTBEAT_INTERVAL: "300ms",
    MODEL_RULES: JSON.stringify({ "llama3.2": { min: 2, pinned: true, pull: true } }),
  });
  const a = await fleet.addHost("a", { models: [model] });
  const b = await fleet.addHost("b", { models: [], registry: [model] });
  await eventually("both have it in memory", async () => (await copiesLoaded()) === 2, 20_000);
  expect(a.ollama.requests.some(({ url }) => url === "/api/pull")).toBe(false);
  expect(b.ollama.requests.filter(({ url }) => url === "/api/pull")).toHaveLength(1);
  for (const host of [a, b]) expect(loadsOf(host, -1)).toBe(1);
});

it("copies a model's files from a host that shares them, with the edge's leave", async () => {
  fleet = await startFleet({
    HEARTBEAT_INTERVAL: "300ms",
    MODEL_RULES: JSON.stringify({ "llama3.2": { min: 2, pull: true } }),
  });
  const giver = join(fleet.stateDir, "models-a");
  const taker = join(fleet.stateDir, "models-b");
  const weights = randomBytes(200_000);
  const { digest, blob } = await storeModel(giver, weights);
  const model = simulatedModel({ name: "llama3.2", digest });
  await fleet.addHost("a", { models: [model] }, 2, { flags: ["--models", giver, "--share", "127.0.0.1:0"] });
  const b = await fleet.addHost("b", { models: [], registry: [model] }, 2, { flags: ["--models", taker] });
  // The simulated Ollama reads no disk, so it does not list what was copied, and downloads in the end.
  await eventually("it was copied", () => b.agent.lines.some((line) => line.includes("copied-model-unlisted")), 20_000);
  expect(await readFile(join(taker, "blobs", blob.replace(":", "-")))).toEqual(weights);
  await eventually("both have it in memory", async () => (await copiesLoaded()) === 2, 20_000);
});

/** A model of one file, as it lies in Ollama's folder. */
async function storeModel(dir: string, weights: Buffer): Promise<{ digest: string; blob: string }> {
  const blob = `sha256:${createHash("sha256").update(weights).digest("hex")}`;
  const layer = { mediaType: "application/vnd.ollama.image.model", digest: blob, size: weights.byteLength };
  const manifest = JSON.stringify({ schemaVersion: 2, config: layer, layers: [layer] });
  const folder = join(dir, "manifests", "registry.ollama.ai", "library", "llama3.2");
  await mkdir(folder, { recursive: true });
  await mkdir(join(dir, "blobs"), { recursive: true });
  await writeFile(join(folder, "latest"), manifest);
  await writeFile(join(dir, "blobs", blob.replace(":", "-")), weights);
  return { digest: createHash("sha256").update(manifest).digest("hex"), blob };
}
