// The command line as a script sees it: exit codes, one line per failure, standard output for data alone.
import { execFile } from "node:child_process";
import { chmod, readFile, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { verifyAdminToken } from "../../src/auth/admin-token.ts";
import { verifyClientToken } from "../../src/auth/client-token.ts";
import { verifyJoinToken } from "../../src/auth/join-token.ts";
import type { HiveKeys } from "../../src/auth/keys.ts";
import { importHiveKeys } from "../../src/auth/keys.ts";
import { HIVE, runHive, stateFolder } from "./run-hive.ts";

describe("a wrong command line", () => {
  it.each([
    ["an unknown flag", ["serve", "--prot", "1"], "--prot"],
    ["a missing value", ["serve", "--port"], "--port"],
    ["a bad port", ["serve", "--port", "70000"], "--port"],
    ["an unknown command", ["frob"], "frob"],
    ["a verb that does not exist", ["token", "frob"], "frob"],
    ["a missing role", ["token", "issue"], "--role"],
    ["a role that does not exist", ["token", "issue", "--role", "root"], "--role"],
    ["a lifetime without a unit", ["token", "issue", "--role", "client", "--expires", "30"], "--expires"],
    ["a lifetime over the limit", ["token", "issue", "--role", "admin", "--expires", "2d"], "--expires"],
    ["a client's flag on an admin token", ["token", "issue", "--role", "admin", "--rpm", "1"], "--rpm"],
    ["a host id that is no label", ["host", "invite", "Not_One", "--hostname", "a.example.com"], "host id"],
    ["a hostname with a path", ["host", "invite", "a", "--hostname", "https://a.example.com/x"], "--hostname"],
    ["an Ollama key for an operator", ["token", "issue", "--role", "admin", "--ollama-key", "x"], "--ollama-key"],
    ["an Ollama key that is none", ["token", "issue", "--role", "client", "--ollama-key", "AAAA"], "--ollama-key"],
    ["an Ollama key and a URL", ["token", "issue", "--role", "client", "--url", "--ollama-key", "x"], "--ollama-key"],
    ["an argument too many", ["init", "extra"], "argument"],
  ])("exits 2 with one line that names it: %s", async (_, args, named) => {
    const ended = await runHive(args);
    expect(ended.code).toBe(2);
    expect(ended.stdout).toBe("");
    expect(ended.errors).toHaveLength(1);
    expect(ended.errors[0]).toMatch(/^hive: /);
    expect(ended.errors[0]).toContain(named);
  });
});

describe("hive init", () => {
  it("makes keys that only their owner can read, and keeps them the second time [T29]", async () => {
    const state = join(await stateFolder(), "new");
    const first = await runHive(["init", "--state", state]);
    expect([first.code, first.stdout]).toEqual([0, ""]);
    const path = join(state, "keys.json");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const before = await readFile(path, "utf8");
    expect((await runHive(["init"], { HIVE_STATE: state })).code).toBe(0);
    expect(await readFile(path, "utf8")).toBe(before);
  });

  it.skipIf(process.platform === "win32")("leaves nothing to others, however loose the umask is [T29]", async () => {
    const folder = await stateFolder();
    const command = 'umask 000; exec "$0" "$@"';
    const state = join(folder, "loose", "deep");
    await promisify(execFile)("/bin/sh", ["-c", command, process.execPath, HIVE, "init", "--state", state]);
    for (const path of [join(folder, "loose"), state, join(state, "keys.json")])
      expect([path, (await stat(path)).mode & 0o077]).toEqual([path, 0]);
  });

  it("refuses keys that others can read [T29]", async () => {
    const { state } = await initialised();
    await chmod(join(state, "keys.json"), 0o644);
    const ended = await runHive(["token", "issue", "--role", "client", "--state", state]);
    expect([ended.code, ended.stdout, ended.errors.length]).toEqual([1, "", 1]);
  });
});

describe("hive token issue", () => {
  it("prints nothing but a client token with what was asked for", async () => {
    const { state, keys } = await initialised();
    const flags =
      "--sub ann --models llama3*,qwen3 --rpm 5 --tokens-per-day 9 --priority high --pool p --scope manage --expires 2h";
    const ended = await runHive(["token", "issue", "--role", "client", "--state", state, ...flags.split(" ")]);
    expect([ended.code, ended.errors]).toEqual([0, []]);
    const now = Date.now();
    const verified = await verifyClientToken(keys, ended.stdout.trimEnd(), { issuer: "hive", now });
    if (!verified.ok) throw new Error(verified.error.reason);
    const { exp, iat, jti, ...claims } = verified.value;
    expect(jti).not.toBe("");
    expect(exp - iat).toBe(7200);
    expect(claims).toEqual({
      sub: "ann",
      models: ["llama3*", "qwen3"],
      rpm: 5,
      tokensPerDay: 9,
      priority: "high",
      pool: "p",
      scope: ["inference", "manage"],
    });
  });

  it("prints a base URL whose token may stand in a path", async () => {
    const { state, keys } = await initialised();
    const args = ["token", "issue", "--role", "client", "--url", "--state", state];
    const { stdout } = await runHive(args, { HIVE_URL: "https://hive.example.com/" });
    const token = /^https:\/\/hive\.example\.com\/k\/(\S+)\n$/.exec(stdout)?.[1] ?? "";
    const verified = await verifyClientToken(keys, token, { issuer: "hive", now: Date.now() });
    expect(verified.ok && verified.value.url).toBe(true);
  });

  it("gives an admin token the issuer of the environment and 15 minutes", async () => {
    const { state, keys } = await initialised();
    const { stdout } = await runHive(["token", "issue", "--role", "admin", "--state", state], { HIVE_ISSUER: "mine" });
    const verified = await verifyAdminToken(keys, stdout.trimEnd(), { issuer: "mine", now: Date.now() });
    expect(verified.ok && verified.value.exp - verified.value.iat).toBe(900);
  });

  it("fails in one line without keys", async () => {
    const ended = await runHive(["token", "issue", "--role", "client", "--state", await stateFolder()]);
    expect([ended.code, ended.stdout, ended.errors.length]).toEqual([1, "", 1]);
  });
});

describe("hive host", () => {
  it("invites a host at the address the operator binds", async () => {
    const { state, keys } = await initialised();
    const args = ["host", "invite", "gpu-1", "--hostname", "gpu-1.example.com", "--slots", "3", "--state", state];
    const { stdout } = await runHive(args);
    const verified = await verifyJoinToken(keys, stdout.trimEnd(), { issuer: "hive", now: Date.now() });
    expect(verified.ok && verified.value).toMatchObject({
      hostId: "gpu-1",
      url: "https://gpu-1.example.com",
      pool: "default",
      slots: 3,
    });
  });

  it("says in one line that no edge answers", async () => {
    const { state } = await initialised();
    const edge = `http://127.0.0.1:${String(await occupiedPort("refuse"))}`;
    const ended = await runHive(["host", "list", "--edge", edge, "--state", state]);
    expect([ended.code, ended.stdout, ended.errors.length]).toEqual([1, "", 1]);
  });
});

describe("hive serve and hive up", () => {
  it("stop before anything runs on a bad setting, naming it", async () => {
    const ended = await runHive(["serve", "--port", "0", "--state", (await initialised()).state], { TIMEOUT: "5" });
    expect([ended.code, ended.stdout, ended.errors.length]).toEqual([1, "", 1]);
    expect(ended.errors[0]).toMatch(/^hive: TIMEOUT: /);
  });

  it("stop before anything runs on a bad TUNNEL_ACCESS, without a word of it [T29]", async () => {
    const args = ["serve", "--port", "0", "--state", (await initialised()).state];
    const ended = await runHive(args, { TUNNEL_ACCESS: "canary" });
    const line = "hive: TUNNEL_ACCESS: expected CLIENT_ID:CLIENT_SECRET";
    expect([ended.code, ended.stdout, ended.errors]).toEqual([1, "", [line]]);
  });

  it("say which port is in use", async () => {
    const port = String(await occupiedPort("listen"));
    const ended = await runHive(["serve", "--port", port, "--state", (await initialised()).state]);
    expect(ended.errors).toEqual([`hive: port ${port} is in use; choose another with --port N`]);
    expect(ended.code).toBe(1);
  });

  it("fail in one line when a named Ollama does not answer", async () => {
    const url = `http://127.0.0.1:${String(await occupiedPort("refuse"))}`;
    const ended = await runHive(["up", "--port", "0", "--ollama", url, "--state", await stateFolder()]);
    expect([ended.code, ended.errors]).toEqual([1, [`hive: no Ollama answers at ${url} (--ollama)`]]);
  });
});

async function initialised(): Promise<{ state: string; keys: HiveKeys }> {
  const state = await stateFolder();
  const { code } = await runHive(["init", "--state", state]);
  expect(code).toBe(0);
  const keys = await importHiveKeys(await readFile(join(state, "keys.json"), "utf8"));
  if (!keys.ok) throw new Error(keys.error);
  return { state, keys: keys.value };
}

/** A port that somebody listens on until the test ends, or one that was just given up. */
async function occupiedPort(then: "listen" | "refuse"): Promise<number> {
  const server = createServer((socket) => socket.destroy());
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
  const close = async (): Promise<void> => new Promise((resolve) => void server.close(() => resolve()));
  if (then === "refuse") await close();
  else onTestFinished(close);
  return port;
}
