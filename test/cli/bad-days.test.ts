// What goes wrong on the machines of others: damaged state, wrong variables, strangers at the address, signals at once.
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { issueClientToken } from "../../src/auth/client-token.ts";
import { importHiveKeys } from "../../src/auth/keys.ts";
import { readTokenId } from "../../src/cli/token-admin.ts";
import { lockState } from "../../src/selfhost/state-lock.ts";
import { startHive } from "../support/fleet.ts";
import { runHive, stateFolder } from "./run-hive.ts";

describe("a variable of the command line", () => {
  it.each([
    ["an address without scheme", "HIVE_URL", "hive.example.com"],
    ["an address with a user name", "HIVE_URL", "https://user:word@hive.example.com"],
    ["a token in two lines", "HIVE_TOKEN", "canary\ncanary"],
    ["a token in no alphabet of tokens", "HIVE_TOKEN", "canäry"],
  ])("ends with exit 2 and one line that names it: %s", async (_, variable, value) => {
    const ended = await runHive(["fleet", "view"], { [variable]: value });
    expect([ended.code, ended.stdout, ended.errors.length]).toEqual([2, "", 1]);
    expect(ended.errors[0]).toContain(variable);
    expect(ended.errors[0]).not.toContain("canary");
  });

  it("that is empty is not set", async () => {
    const state = await stateFolder();
    await runHive(["init", "--state", state]);
    const { stdout } = await runHive(["token", "issue", "--role", "client", "--url", "--state", state], {
      HIVE_URL: "",
      HIVE_STATE: "",
    });
    expect(stdout).toMatch(/^http:\/\/127\.0\.0\.1:8787\/k\/\S+\n$/);
  });
});

describe("a wrong value", () => {
  it.each([
    ["an empty folder", ["init", "--state", ""], "--state"],
    ["an empty name", ["token", "issue", "--role", "client", "--sub", ""], "--sub"],
    ["a pool with a space", ["token", "issue", "--role", "client", "--pool", "a b"], "--pool"],
    ["a region that is none", ["host", "invite", "a", "--hostname", "a.example.com", "--region", "mars"], "--region"],
    ["more slots than there are", ["host", "invite", "a", "--hostname", "a.example.com", "--slots", "5000"], "--slots"],
    ["a pause that no timer knows", ["fleet", "watch", "--interval", "25d"], "--interval"],
  ])("ends with exit 2 and one line that names it: %s", async (_, args, named) => {
    const ended = await runHive(args);
    expect([ended.code, ended.stdout, ended.errors.length]).toEqual([2, "", 1]);
    expect(ended.errors[0]).toContain(named);
  });
});

describe("a state folder", () => {
  it.each([
    ["half a file", async (path: string) => writeFile(path, '{"keys":[{"kty"', { mode: 0o600 })],
    ["an empty file", async (path: string) => writeFile(path, "", { mode: 0o600 })],
    ["other JSON", async (path: string) => writeFile(path, '{"keys":[]}', { mode: 0o600 })],
    ["a folder", async (path: string) => mkdir(path)],
  ])("whose keys are %s is left alone, in one line that names the file", async (_, damage) => {
    const state = await stateFolder();
    const path = join(state, "keys.json");
    await damage(path);
    const before = await readFile(path, "utf8").catch(() => "no file");
    for (const args of [["init"], ["serve", "--port", "0"], ["token", "issue", "--role", "client"]]) {
      const ended = await runHive([...args, "--state", state]);
      expect([ended.code, ended.stdout, ended.errors.length]).toEqual([1, "", 1]);
      expect(ended.errors[0]).toContain(path);
    }
    expect(await readFile(path, "utf8").catch(() => "no file")).toBe(before);
  });

  it("that is a file is named in one line", async () => {
    const path = join(await stateFolder(), "file");
    await writeFile(path, "");
    const ended = await runHive(["init", "--state", path]);
    expect([ended.code, ended.stdout, ended.errors.length]).toEqual([1, "", 1]);
    expect(ended.errors[0]).toContain(path);
  });

  it("whose lock is no lock is named in one line", async () => {
    const state = await stateFolder();
    await runHive(["init", "--state", state]);
    await writeFile(join(state, "lock.sqlite"), "something else, longer than the head of a database".repeat(9));
    const ended = await runHive(["serve", "--port", "0", "--state", state]);
    expect([ended.code, ended.errors.length]).toEqual([1, 1]);
    expect(ended.errors[0]).toContain("lock.sqlite");
  });

  it.runIf(process.getuid?.() !== 0)("that may not be written is named in one line", async () => {
    const state = await stateFolder();
    await chmod(state, 0o500);
    const ended = await runHive(["init", "--state", state]);
    expect([ended.code, ended.errors.length]).toEqual([1, 1]);
    expect(ended.errors[0]).toContain(state);
  });

  it("has one agent, which an edge on the same folder does not hinder", async () => {
    const state = await stateFolder();
    const edge = await lockState(state, "edge");
    const agent = await lockState(state, "agent");
    expect([edge === undefined, agent === undefined]).toEqual([false, false]);
    const ended = await runHive(["agent", "--listen", "0", "--state", state]);
    expect([ended.code, ended.errors.length]).toEqual([1, 1]);
    expect(ended.errors[0]).toContain("another agent");
    agent?.release();
    const next = await runHive(["agent", "--listen", "0", "--edge", "http://127.0.0.1:9", "--state", state]);
    expect(next.errors[0]).not.toContain("another agent");
    edge?.release();
  });
});

describe("an address that is not Hive's", () => {
  it.each([
    ["no page there", (_: unknown, response: Parameters<RequestListener>[1]) => response.writeHead(404).end("no")],
    ["a page for everything", (_: unknown, response: Parameters<RequestListener>[1]) => response.end("<html>")],
  ])("is said to be none, in one line: %s", async (_, answer) => {
    const url = await serveHere(answer);
    const ended = await runHive(["fleet", "view", "--edge", url], { HIVE_TOKEN: "x" });
    expect([ended.code, ended.stdout, ended.errors.length]).toEqual([1, "", 1]);
    expect(ended.errors[0]).toContain(`${url} answered`);
  });

  it("whose name nobody knows is said to give no answer", async () => {
    const ended = await runHive(["fleet", "view", "--edge", "http://nobody.invalid"], { HIVE_TOKEN: "x" });
    expect([ended.code, ended.errors.length]).toEqual([1, 1]);
    expect(ended.errors[0]).toContain("no answer from http://nobody.invalid");
  });
});

it("ends in order on a signal that comes as soon as it says that it is ready", async () => {
  const proxy = await startHive(["proxy", "--port", "0"], "hive: ready", { HIVE_TOKEN: "x" });
  expect(await proxy.stop("SIGINT")).toBe(0);
});

it("does not outlive a wrapper that is gone before it looks", async () => {
  const ended = await runHive(["proxy", "--port", "0"], { HIVE_WRAPPED: "1", HIVE_TOKEN: "x" });
  expect([ended.code, ended.errors]).toEqual([1, []]);
});

it("knows a token by its id, by itself and in a base URL", async () => {
  const state = await stateFolder();
  await runHive(["init", "--state", state]);
  const keys = await importHiveKeys(await readFile(join(state, "keys.json"), "utf8"));
  if (!keys.ok) throw new Error(keys.error);
  const token = await issueClientToken(keys.value, { issuer: "hive", now: Date.now(), sub: "a", jti: "the-id" });
  expect([readTokenId("the-id"), readTokenId(token), readTokenId(`https://x/k/${token}`)]).toEqual(
    Array<string>(3).fill("the-id"),
  );
  expect(() => readTokenId("eyJhbGciOiJub25lIn0.eyJhIjoxfQ.x")).toThrow("expected the id");
});

/** A server that answers everything in its own way, until the test ends. */
async function serveHere(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => new Promise((resolve) => void server.close(() => resolve())));
  const address = server.address();
  return `http://127.0.0.1:${String(typeof address === "object" ? address?.port : 0)}`;
}
