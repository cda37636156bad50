// `npm start` as a newcomer meets it: one command, a token, a curl line that works as pasted, and nothing left behind.
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { startSimulatedOllama } from "../../src/sim/ollama/server.ts";
import { eventually, freePort, startHive } from "../support/fleet.ts";
import type { RunningProcess } from "../support/fleet.ts";

let stateDir: string;
let running: RunningProcess | undefined;

beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), "hive-up-"));
});
afterEach(async () => {
  await running?.stop("SIGKILL");
  running = undefined;
  await rm(stateDir, { recursive: true, force: true });
});

async function up(port: number, env: Record<string, string>, args: readonly string[] = []): Promise<RunningProcess> {
  running = await startHive(["up", "--port", String(port), "--state", stateDir, ...args], "curl -sN", env);
  return running;
}

async function listens(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

async function pasteCurl(process: RunningProcess): Promise<string> {
  const line = process.lines.find((text) => text.startsWith("curl ")) ?? "";
  return (await promisify(execFile)("sh", ["-c", line])).stdout;
}

it("starts simulated hosts where no Ollama is, says so, and streams to the pasted curl line", async () => {
  const port = await freePort();
  const first = await up(port, { OLLAMA_HOSTS: "", OLLAMA_HOST: `http://127.0.0.1:${await freePort()}` });
  expect(first.lines.some((line) => line.includes("SIMULATED"))).toBe(true);
  const records = (await pasteCurl(first))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { done: boolean });
  expect(records.length).toBeGreaterThan(10);
  expect(records.at(-1)?.done).toBe(true);
});

it("keeps keys, hosts and token over a second start, and leaves no process behind", async () => {
  const ollama = await startSimulatedOllama({ models: [simulatedModel({ name: "llama3.2" })] });
  try {
    const port = await freePort();
    const first = await up(port, {}, ["--ollama", ollama.url]);
    const token = first.lines.find((line) => line.startsWith("ey"));
    expect(JSON.parse((await pasteCurl(first)).trimEnd().split("\n").at(-1) ?? "{}")).toMatchObject({ done: true });
    expect(await first.stop("SIGINT")).toBe(0);
    await eventually("the port is free again", async () => !(await listens(port)));
    const second = await up(port, {}, ["--ollama", ollama.url]);
    expect(second.lines.find((line) => line.startsWith("ey"))).toBe(token);
    expect(JSON.parse((await pasteCurl(second)).trimEnd().split("\n").at(-1) ?? "{}")).toMatchObject({ done: true });
  } finally {
    await ollama.close();
  }
});

it("says in one line what to do about an --ollama that does not answer, and about a port in use", async () => {
  const nobody = `http://127.0.0.1:${await freePort()}`;
  await expect(up(await freePort(), {}, ["--ollama", nobody])).rejects.toThrow(new RegExp(nobody));
  const ollama = await startSimulatedOllama({ models: [simulatedModel({ name: "llama3.2" })] });
  try {
    await expect(up(ollama.port, {}, ["--ollama", ollama.url])).rejects.toThrow(/port \d+ is in use/);
  } finally {
    await ollama.close();
  }
});
