// Work on order: downloads with progress, failures in Ollama's words, memory in order, and an agent that takes itself out.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { askAmd, GpuMemoryWatch, readNvidia } from "../../src/agent/heartbeat/gpu-memory.ts";
import { openOllama } from "../../src/agent/relay/ollama-client.ts";
import { pullModel } from "../../src/agent/orders/pull.ts";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { startSimulatedOllama } from "../../src/sim/ollama/server.ts";
import { CHAT, startHost, until } from "./fixture.ts";

const TINY = "registry.ollama.ai/library/tiny:latest";

describe("a pull", () => {
  it("downloads the model and tells how far it is", async () => {
    const registry = [simulatedModel({ name: "new", sizeBytes: 4_000 })];
    const server = await startSimulatedOllama({ models: [], registry, pullBytesPerSecond: 100_000 });
    const ollama = openOllama(server.url);
    const told: [number, number][] = [];
    const watch = {
      signal: new AbortController().signal,
      onProgress: (done: number, total: number) => void told.push([done, total]),
    };
    await pullModel(ollama, "new", watch);
    expect(server.models().map(({ name }) => name)).toEqual(["new"]);
    expect(told.at(0)).toEqual([0, 4_000]);
    expect(told.at(-1)).toEqual([4_487, 4_487]);
    ollama.close();
    await server.close();
  });

  it("fails in Ollama's own words", async () => {
    const server = await startSimulatedOllama({ models: [] });
    const ollama = openOllama(server.url);
    const watch = { signal: new AbortController().signal, onProgress: () => undefined };
    await expect(pullModel(ollama, "nowhere", watch)).rejects.toThrow(/pull model manifest/);
    ollama.close();
    await server.close();
  });

  it("ends when the agent does", async () => {
    const registry = [simulatedModel({ name: "big", sizeBytes: 1e9 })];
    const server = await startSimulatedOllama({ models: [], registry, pullBytesPerSecond: 1e3 });
    const ollama = openOllama(server.url);
    const stop = new AbortController();
    const pulling = pullModel(ollama, "big", { signal: stop.signal, onProgress: () => stop.abort() });
    await expect(pulling).rejects.toThrow();
    ollama.close();
    await server.close();
  });
});

describe("a load to stay", () => {
  it("keeps the options that it was loaded with, and so the model", async () => {
    await using host = await startHost();
    host.edge.order({ type: "load", model: TINY, runner: "num_ctx=8192", pinned: true });
    const beat = await host.edge.beat(({ running }) =>
      running.some(({ expiresAt }) => Date.parse(expiresAt) > Date.now() + 86_400_000),
    );
    expect(beat.running).toMatchObject([{ contextLength: 8_192 }]);
    expect(host.ollama.gauges().loads).toBe(1);
  });
});

describe("heartbeats", () => {
  it("tell of a pull that failed, and why", async () => {
    await using host = await startHost();
    host.edge.order({ type: "pull", model: "registry.ollama.ai/library/nowhere:latest" });
    const beat = await host.edge.beat(({ tasks }) => tasks?.some(({ failure }) => failure !== undefined) === true);
    expect(beat.tasks).toMatchObject([{ type: "pull", failure: expect.stringMatching(/manifest/) }]);
  });

  it("tell of an unload refused because the model is in use", async () => {
    await using host = await startHost({ model: { decodeTokensPerSecond: 20 } });
    const leg = await host.send({ body: CHAT, claims: { model: TINY } });
    await leg.firstBytes();
    host.edge.order({ type: "unload", model: TINY });
    const beat = await host.edge.beat(({ tasks }) => tasks?.some(({ failure }) => failure !== undefined) === true);
    expect(beat.tasks).toMatchObject([{ type: "unload", model: TINY, failure: "the model is in use" }]);
    leg.request.destroy();
  });

  it("tell the memory that the operator names", async () => {
    await using host = await startHost({ agent: { memoryBytes: 24e9 } });
    expect(await host.edge.beat(() => true, 0)).toMatchObject({ vramTotalBytes: 24e9 });
  });

  it("say that the agent takes itself out, which waits for what runs", async () => {
    await using host = await startHost({ model: { decodeTokensPerSecond: 40 } });
    const leg = await host.send({ body: { ...CHAT, options: { num_predict: 20 } }, claims: { model: TINY } });
    await leg.firstBytes();
    let drained = false;
    const draining = host.agent.drain(30_000).then(() => (drained = true));
    const beat = await host.edge.beat((each) => each.draining === true);
    expect(beat.active).toHaveLength(1);
    expect(drained).toBe(false);
    expect((await leg.read()).whole).toBe(true);
    await draining;
    await until("nothing runs", () => drained);
  });
});

describe("GPU memory", () => {
  it("is the sum of NVIDIA's cards", () => {
    expect(readNvidia("24564, 20000\n24564, 100\n")).toEqual({
      vramTotalBytes: 49_128 * 2 ** 20,
      vramFreeBytes: 20_100 * 2 ** 20,
    });
    expect(readNvidia("NVIDIA-SMI has failed\n")).toBeUndefined();
  });

  it("is what the kernel says of AMD's cards", async () => {
    const dir = await mkdtemp(join(tmpdir(), "hive-drm-"));
    onTestFinished(async () => rm(dir, { recursive: true, force: true }));
    await mkdir(join(dir, "card0", "device"), { recursive: true });
    await writeFile(join(dir, "card0", "device", "mem_info_vram_total"), "1000\n");
    await writeFile(join(dir, "card0", "device", "mem_info_vram_used"), "300\n");
    await mkdir(join(dir, "card1-HDMI-A-1"), { recursive: true });
    expect(await askAmd(dir)).toEqual({ vramTotalBytes: 1000, vramFreeBytes: 700 });
    expect(await askAmd(join(dir, "none"))).toBeUndefined();
  });

  it("is asked of the machine in the background, and not again where there is none", async () => {
    let asked = 0;
    const watch = new GpuMemoryWatch(undefined, async () => {
      asked += 1;
      return undefined;
    });
    expect(watch.read()).toEqual({});
    await until("it was asked", () => asked === 1);
    expect(watch.read()).toEqual({});
    expect(asked).toBe(1);
  });
});
