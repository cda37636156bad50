// The edge on plain workerd around a tiny Worker: configuration, build, start, data on disk, end.
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { buildWorker } from "../../src/selfhost/build.ts";
import { mergeVars, readEdgeConfig } from "../../src/selfhost/config.ts";
import type { Edge } from "../../src/selfhost/edge.ts";
import { startEdge } from "../../src/selfhost/edge.ts";
import { PROJECT_DIR } from "../../src/selfhost/project.ts";
import { workerdConfig } from "../../src/selfhost/workerd-config.ts";
import { settingsSchema } from "../../src/wire/settings.ts";

const WORKER = `
import { DurableObject } from "cloudflare:workers";
import { word } from "./word.ts";
export class Cell extends DurableObject {
  count() {
    this.ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS visits (at INTEGER)");
    this.ctx.storage.sql.exec("INSERT INTO visits VALUES (1)");
    return this.ctx.storage.sql.exec("SELECT count(*) AS n FROM visits").one().n;
  }
}
export default {
  async fetch(request: Request, env: any) {
    if (new URL(request.url).pathname === "/hive/healthz") return new Response("ok");
    const visits = await env.CELL.getByName("x").count();
    return Response.json({ word, visits, keys: env.HIVE_KEYS, timeout: env.TIMEOUT, odd: env.ODD });
  },
};`;
const TOML = `name = "t"
main = "index.ts"
compatibility_date = "2026-10-01"
[vars]
TIMEOUT = "700ms"
ODD = "a \\"quoted\\" \\\\ line\\nbreak ü"
`;

describe("readEdgeConfig", () => {
  it("finds every setting with its default in the project's own wrangler.toml", async () => {
    const { vars } = await configOf(PROJECT_DIR, {});
    const written = { ...vars, ALLOW_LOCAL_HOSTS: "false" };
    expect(settingsSchema.parse(written)).toEqual(settingsSchema.parse({}));
    expect(Object.keys(vars).sort()).toEqual(Object.keys(settingsSchema.shape).sort());
  });

  it("lets the environment win, and names a bad value", async () => {
    const { projectDir, stateDir } = await project();
    expect((await configOf(projectDir, { TIMEOUT: "1s" })).settings.TIMEOUT).toBe(1000);
    expect((await configOf(projectDir, { TIMEOUT: "" })).settings.TIMEOUT).toBe(700);
    const bad = await readEdgeConfig({ projectDir, stateDir, env: { MAX_INSTANCES: "many" } });
    expect(bad.ok ? "" : bad.error).toMatch(/^MAX_INSTANCES: /);
  });

  it.each([
    ["TIMEOUT", "0ms"],
    ["TIMEOUT", "25d"],
    ["ABANDON_LOADS", "maybe"],
    ["ABANDON_LOADS", "400d"],
    ["HEARTBEAT_INTERVAL", "1ms"],
    ["MAX_BODY", "0"],
    ["MIN_INSTANCES", "11"],
    ["CONTEXT_SIZES", "4096,0"],
    ["SCALER_URL", "http://["],
    ["HOST_DOMAINS", "*.example.com"],
    ["HOST_DOMAINS", "https://example.com"],
    ["ALLOWED_ORIGINS", "https://a.example.com/"],
    ["ALLOWED_ORIGINS", "https://*.example.com"],
    ["ALLOWED_ORIGINS", "a.example.com"],
  ])("refuses what cannot be meant: %s=%s", async (name, value) => {
    const { projectDir, stateDir } = await project();
    const read = await readEdgeConfig({ projectDir, stateDir, env: { [name]: value } });
    expect(read.ok ? "" : read.error).toMatch(new RegExp(`^${name}: [^\n]+$`));
  });

  it.each([
    ["ABANDON_LOADS", "never"],
    ["ABANDON_LOADS", "10m"],
    ["QUEUE_TIMEOUT", "0s"],
    ["SCALER_URL", "poll"],
    ["SCALER_URL", "http://[::1]:8790/"],
    ["HOST_DOMAINS", ".example.com, hosts.example.org"],
    ["ALLOWED_ORIGINS", "*, https://a.example.com:8443, capacitor://localhost"],
  ])("takes what can be meant: %s=%s", async (name, value) => {
    const { projectDir, stateDir } = await project();
    expect((await readEdgeConfig({ projectDir, stateDir, env: { [name]: value } })).ok).toBe(true);
  });

  it("sees a changed file although it remembers what it read", async () => {
    const { projectDir, stateDir } = await project();
    const read = async () => readEdgeConfig({ projectDir, stateDir, env: {} });
    await read();
    await writeFile(join(projectDir, "wrangler.toml"), TOML.replace("700ms", "900ms"));
    const second = await read();
    expect(second.ok && second.value.settings.TIMEOUT).toBe(900);
  });

  it("says in one line that the file is broken", async () => {
    const { projectDir, stateDir } = await project();
    await writeFile(join(projectDir, "wrangler.toml"), "name = \n[vars");
    const read = await readEdgeConfig({ projectDir, stateDir, env: {} });
    expect(read.ok ? "" : read.error).toMatch(/^wrangler\.toml: [^\n]+$/);
  });

  it("allows local hosts here unless the environment forbids them", () => {
    expect(mergeVars({ ALLOW_LOCAL_HOSTS: "false" }, {})["ALLOW_LOCAL_HOSTS"]).toBe("true");
    expect(mergeVars({}, { ALLOW_LOCAL_HOSTS: "false" })["ALLOW_LOCAL_HOSTS"]).toBe("false");
  });
});

describe("buildWorker", () => {
  it("builds again only when a source changed", async () => {
    const { projectDir, stateDir, entry } = await project();
    const build = async () => {
      const built = await buildWorker(entry, projectDir, stateDir);
      if (!built.ok) throw new Error(built.error);
      return { path: built.value, inode: (await stat(built.value)).ino };
    };
    const first = await build();
    expect((await build()).inode).toBe(first.inode);
    await writeFile(join(projectDir, "word.ts"), `export const word = "changed";`);
    expect(await readFile((await build()).path, "utf8")).toContain("changed");
  });

  it("names file and line of an error", async () => {
    const { projectDir, stateDir, entry } = await project();
    await writeFile(entry, "export default {\n");
    const built = await buildWorker(entry, projectDir, stateDir);
    expect(built.ok ? "" : built.error).toMatch(/index\.ts:\d+: /);
  });
});

describe("startEdge", () => {
  it("serves the Worker with its variables and keys, and keeps the cells over a restart", async () => {
    const place = await project();
    const first = await open(place);
    expect(await answerOf(first)).toEqual({
      word: "hello",
      visits: 1,
      keys: "secret",
      timeout: "700ms",
      odd: 'a "quoted" \\ line\nbreak ü',
    });
    await first.close();
    await expect(fetch(first.url)).rejects.toThrow("fetch failed");
    expect(await answerOf(await open(place))).toMatchObject({ visits: 2 });
  });

  it("refuses a second edge on the same state folder and on the same port", async () => {
    const place = await project();
    const edge = await open(place);
    const again = await startEdge(optionsFor(place));
    expect(again.ok ? "" : again.error).toContain("another hive runs on");
    const taken = await startEdge({ ...optionsFor(await project()), port: edge.port });
    expect(taken).toEqual({ ok: false, error: `port ${String(edge.port)} is in use; choose another with --port N` });
  });

  it("names the address that is not this machine's", async () => {
    for (const hostname of ["192.0.2.1", "no such name"]) {
      const started = await startEdge({ ...optionsFor(await project()), hostname });
      expect(started.ok ? "" : started.error).toMatch(new RegExp(`^${hostname} is no address[^\n]*\\(--bind\\)$`));
    }
  });

  it("names the folder whose data is damaged, and leaves it as it is", async () => {
    const place = await project();
    await (await open(place)).close();
    const path = join(place.stateDir, "cells", "hive-cell", "metadata.sqlite");
    const damaged = "not a database, and longer than the head of one ".repeat(20);
    await writeFile(path, damaged);
    const started = await startEdge(optionsFor(place));
    expect(started.ok ? "" : started.error).toMatch(/^the data in \S+cells cannot be used \(SQLITE_NOTADB\)[^\n]*$/);
    expect(await readFile(path, "utf8")).toBe(damaged);
  });

  it("tells when workerd dies by itself", async () => {
    const place = await project();
    await writeFile(place.entry, "export class Cell {}\nthrow new Error('broken at start');");
    const started = await startEdge(optionsFor(place));
    expect(started.ok ? "" : started.error).toMatch(/broken at start/);
  });
});

it("writes no keys into the configuration file [T29]", () => {
  const config = { compatibilityDate: "2026-10-01", compatibilityFlags: [], vars: {} };
  const text = workerdConfig(config, { listen: "127.0.0.1:0", moduleName: "worker.js", cellsDir: "/cells" });
  expect(text).toContain(`(name = "HIVE_KEYS", fromEnvironment = "HIVE_KEYS")`);
});

interface Place {
  readonly projectDir: string;
  readonly stateDir: string;
  readonly entry: string;
}

async function project(): Promise<Place> {
  const projectDir = await mkdtemp(join(tmpdir(), "hive-selfhost-"));
  onTestFinished(async () => rm(projectDir, { recursive: true, force: true }));
  const stateDir = join(projectDir, "state");
  await mkdir(stateDir);
  const entry = join(projectDir, "index.ts");
  await writeFile(entry, WORKER);
  await writeFile(join(projectDir, "word.ts"), `export const word = "hello";`);
  await writeFile(join(projectDir, "wrangler.toml"), TOML);
  return { projectDir, stateDir, entry };
}

async function configOf(projectDir: string, env: Record<string, string>) {
  const config = await readEdgeConfig({ projectDir, stateDir: (await project()).stateDir, env });
  if (!config.ok) throw new Error(config.error);
  return config.value;
}

function optionsFor({ projectDir, stateDir }: Place) {
  return { projectDir, stateDir, hostname: "127.0.0.1", port: 0, keys: "secret", env: {}, log: () => undefined };
}

async function open(place: Place): Promise<Edge> {
  const edge = await startEdge(optionsFor(place));
  if (!edge.ok) throw new Error(edge.error);
  onTestFinished(async () => edge.value.close());
  return edge.value;
}

async function answerOf(edge: Edge): Promise<unknown> {
  return (await fetch(edge.url)).json();
}
