// Keys that an operator replaces and later drops: what they signed lives until then, at a running edge and on the command line.
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { issueAdminToken } from "../../src/auth/admin-token.ts";
import { issueClientToken } from "../../src/auth/client-token.ts";
import { runHive, stateFolder } from "../cli/run-hive.ts";
import { freePort, readKeys, startHive } from "../support/fleet.ts";
import type { RunningProcess } from "../support/fleet.ts";

let edge: RunningProcess | undefined;

afterEach(async () => {
  await edge?.stop();
  edge = undefined;
});

const init = async (state: string, ...flags: string[]) => await runHive(["init", "--state", state, ...flags]);

/** Starts the edge on the keys as they are now; answers what a token gets. */
async function serve(state: string): Promise<(path: string, token: string) => Promise<number>> {
  await edge?.stop();
  const port = String(await freePort());
  edge = await startHive(["serve", "--port", port, "--state", state], "hive: ready");
  return async (path, token) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization: `Bearer ${token}` } });
    await response.body?.cancel();
    return response.status;
  };
}

async function tokensOf(state: string): Promise<{ client: string; admin: string }> {
  const keys = await readKeys(state);
  const at = { issuer: "hive", now: Date.now() };
  return {
    client: await issueClientToken(keys, { ...at, sub: "ann" }),
    admin: await issueAdminToken(keys, { ...at, sub: "root" }),
  };
}

it("tokens of the old key are good until it is retired, and dead after; those of the new one live on [T15 T29]", async () => {
  const state = await stateFolder();
  await init(state);
  const old = await tokensOf(state);
  const before = await serve(state);
  expect([await before("/api/tags", old.client), await before("/hive/v1/fleet", old.admin)]).toEqual([200, 200]);

  expect((await init(state, "--rotate", "client")).code).toBe(0);
  const fresh = await tokensOf(state);
  const between = await serve(state);
  expect([await between("/api/tags", old.client), await between("/api/tags", fresh.client)]).toEqual([200, 200]);

  expect((await init(state, "--retire", "client")).code).toBe(0);
  const after = await serve(state);
  expect([await after("/api/tags", old.client), await after("/api/tags", fresh.client)]).toEqual([401, 200]);
  // The operators' key was not touched: one purpose at a time.
  expect(await after("/hive/v1/fleet", old.admin)).toBe(200);
});

it("a stolen operator's key is worth nothing once it is rotated and retired in one go [T29]", async () => {
  const state = await stateFolder();
  await init(state);
  const stolen = await readKeys(state);
  const flags = ["--rotate", "admin", "--retire", "admin"];
  expect((await init(state, ...flags)).code).toBe(0);
  const status = await serve(state);
  const forged = await issueAdminToken(stolen, { issuer: "hive", now: Date.now(), sub: "root" });
  expect(await status("/hive/v1/fleet", forged)).toBe(401);
  expect(await status("/hive/v1/fleet", (await tokensOf(state)).admin)).toBe(200);
});

describe("hive init", () => {
  it("rotates one purpose alone, keeps the file to its owner, and prints no key [T29]", async () => {
    const state = await stateFolder();
    await init(state);
    const path = join(state, "keys.json");
    const purposesOf = async () => {
      const { keys } = JSON.parse(await readFile(path, "utf8")) as { keys: { kid: string; d: string }[] };
      return keys;
    };
    const before = await purposesOf();
    const ended = await init(state, "--rotate", "join");
    const after = await purposesOf();
    expect([ended.code, ended.stdout, (await stat(path)).mode & 0o777]).toEqual([0, "", 0o600]);
    for (const { d } of after) expect(ended.errors.join("\n")).not.toContain(d);
    // All that was there is there still; one key is new.
    const added = after.filter(({ kid }) => !before.some((key) => key.kid === kid));
    expect(added.map(({ kid }) => kid.split("-")[0])).toEqual(["join"]);
    expect(after).toHaveLength(before.length + 1);
    expect((await init(state, "--retire", "join")).code).toBe(0);
    expect((await purposesOf()).map(({ kid }) => kid).toSorted()).toEqual(
      after
        .map(({ kid }) => kid)
        .filter((kid) => kid !== before.find((key) => key.kid.startsWith("join-"))?.kid)
        .toSorted(),
    );
  });

  it("refuses a fifth key of one purpose, and a purpose there is none of, and leaves the file as it was", async () => {
    const state = await stateFolder();
    await init(state);
    for (let time = 0; time < 3; time += 1) expect((await init(state, "--rotate", "client")).code).toBe(0);
    const before = await readFile(join(state, "keys.json"), "utf8");
    const fifth = await init(state, "--rotate", "client");
    expect([fifth.code, fifth.stdout, fifth.errors.length]).toEqual([1, "", 1]);
    const unknown = await init(state, "--rotate", "dashboard");
    expect([unknown.code, unknown.errors.length]).toEqual([2, 1]);
    expect(await readFile(join(state, "keys.json"), "utf8")).toBe(before);
  });
});
