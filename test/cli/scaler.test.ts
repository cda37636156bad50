// `hive scaler`: which orders it takes, and how it runs the operator's commands.
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sha256Base64Url } from "../../src/auth/digest.ts";
import { issueJoinToken } from "../../src/auth/join-token.ts";
import { generateHiveKeys, importHiveKeys } from "../../src/auth/keys.ts";
import type { HiveKeys } from "../../src/auth/keys.ts";
import { findScaleKey, issueScaleToken } from "../../src/auth/scale-token.ts";
import { openScalerServer } from "../../src/cli/scaler-server.ts";
import { ScalerWork } from "../../src/cli/scaler-work.ts";
import type { ScaleOrder } from "../../src/wire/scale.ts";
import { eventually } from "../support/fleet.ts";
import { runHive, stateFolder } from "./run-hive.ts";

async function newKeys(): Promise<HiveKeys> {
  const keys = await importHiveKeys(JSON.stringify(await generateHiveKeys(Date.now())));
  if (!keys.ok) throw new Error(keys.error);
  return keys.value;
}

function anOrder(part: Partial<ScaleOrder> = {}): ScaleOrder {
  const now = Date.now();
  return {
    id: 1,
    desired: 1,
    start: [],
    create: 0,
    macs: {},
    known: 0,
    stop: [],
    reason: "test",
    since: now,
    deadline: now + 60_000,
    ...part,
  };
}

describe("the door", () => {
  let keys: HiveKeys;
  let taken: ScaleOrder[];
  let logged: object[];
  let server: Awaited<ReturnType<typeof openScalerServer>>;

  beforeEach(async () => {
    keys = await newKeys();
    const key = await findScaleKey(keys.jwks.keys);
    if (key === undefined) throw new Error("no key that signs orders");
    taken = [];
    logged = [];
    const door = { port: 0, bind: "127.0.0.1", key, issuer: "hive", log: (line: object) => void logged.push(line) };
    server = await openScalerServer(door, (order) => {
      const isNew = taken.every(({ id }) => id !== order.id);
      taken.push(order);
      return isNew;
    });
  });
  afterEach(async () => await server.close());

  async function post(body: string, token: string): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${server.port}/`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      body,
    });
    return response.status;
  }

  async function sign(body: string, by: HiveKeys = keys, now = Date.now()): Promise<string> {
    return await issueScaleToken(by, await sha256Base64Url(new TextEncoder().encode(body)), { issuer: "hive", now });
  }

  it("takes an order that the edge has signed, and says when it knows it", async () => {
    const body = JSON.stringify(anOrder());
    expect(await post(body, await sign(body))).toBe(202);
    expect(await post(body, await sign(body))).toBe(200);
    expect(taken[0]).toEqual(JSON.parse(body));
  });

  it("refuses an order that another has signed, a changed one, an old one, and a token of another kind", async () => {
    const body = JSON.stringify(anOrder());
    expect(await post(body, await sign(body, await newKeys()))).toBe(401);
    expect(await post(JSON.stringify(anOrder({ desired: 99 })), await sign(body))).toBe(401);
    expect(await post(body, await sign(body, keys, Date.now() - 300_000))).toBe(401);
    const invitation = { hostId: "a", url: "https://a.example.com", pool: "default", region: "" };
    expect(await post(body, await issueJoinToken(keys, invitation, { issuer: "hive", now: Date.now() }))).toBe(401);
    expect(await post(body, "")).toBe(401);
    expect(taken).toEqual([]);
    expect(logged).toHaveLength(5);
  });

  it("refuses what is signed and no order", async () => {
    expect(await post("[]", await sign("[]"))).toBe(400);
    const evil = JSON.stringify(anOrder({ start: ["$(reboot)"] }));
    expect(await post(evil, await sign(evil))).toBe(400);
    expect(taken).toEqual([]);
  });
});

describe("the work", () => {
  let journal: string;
  let logged: { readonly event?: string; readonly line?: string }[];
  let work: ScalerWork;

  beforeEach(async () => {
    journal = join(await stateFolder(), "journal");
    await writeFile(journal, "");
    logged = [];
    work = new ScalerWork({
      up: `echo "begin up $HIVE_HOST" >> ${journal}; while [ -e ${journal}.hold ]; do sleep 0.02; done; echo "end up $HIVE_HOST" >> ${journal}`,
      down: `echo "down $HIVE_HOST $HIVE_DESIRED" >> ${journal}; echo said; [ "$HIVE_HOST" != bad ]`,
      limitMs: 10_000,
      log: (line) => void logged.push(line),
    });
  });
  afterEach(async () => await work.stop());

  const lines = async (): Promise<string[]> =>
    (await readFile(journal, "utf8")).split("\n").filter((line) => line !== "");
  const written = async (count: number): Promise<void> =>
    await eventually(`${count} lines`, async () => (await lines()).length >= count);

  it("takes what an order says for text: no reason is run, and no name has properties of its own [T12 T4]", async () => {
    const other = new ScalerWork({
      up: `printf '%s|%s|%s\\n' "$HIVE_HOST" "$HIVE_MAC" "$HIVE_REASON" >> ${journal}`,
      down: "true",
      limitMs: 10_000,
      log: () => undefined,
    });
    const reason = '"; echo owned; $(echo owned) `echo owned`';
    other.take(anOrder({ start: ["constructor", "valueof"], reason }));
    await written(2);
    expect(await lines()).toEqual([`constructor||${reason}`, `valueof||${reason}`]);
    await other.stop();
  });

  it("runs one command at a time: first stops, then starts, then those to be made", async () => {
    work.take(anOrder({ desired: 3, start: ["a", "b"], create: 1, stop: ["c"] }));
    await written(7);
    expect(await lines()).toEqual([
      "down c 3",
      "begin up a",
      "end up a",
      "begin up b",
      "end up b",
      "begin up ",
      "end up ",
    ]);
    expect(logged).toContainEqual({ event: "output", line: "said" });
  });

  it("does nothing twice: neither for the same order nor for the next one while the edge has not seen the effect", async () => {
    const order = anOrder({ start: ["a"], create: 2, known: 1 });
    expect(work.take(order)).toBe(true);
    expect(work.take(order)).toBe(false);
    await written(6);
    expect(work.take({ ...order, id: 2, since: order.since + 1, known: 2, create: 2, start: ["a", "b"] })).toBe(true);
    await written(10);
    expect((await lines()).slice(6)).toEqual(["begin up b", "end up b", "begin up ", "end up "]);
    expect(work.take({ ...order, id: 9, since: order.since - 1 })).toBe(false);
    // A Hive that has lost its state numbers its orders from one again.
    expect(work.take({ ...order, id: 2, since: order.since + 2, create: 0, start: [] })).toBe(true);
  });

  it("makes the next host while the command of the one before still runs, if that one has registered already", async () => {
    await writeFile(`${journal}.hold`, "");
    const order = anOrder({ desired: 2, create: 2, known: 0 });
    work.take(order);
    await written(1);
    work.take({ ...order, id: 2, since: order.since + 1, create: 1, known: 1 });
    await rm(`${journal}.hold`);
    await written(4);
    work.take({ ...order, id: 3, since: order.since + 2, create: 1, known: 1 });
    await work.stop();
    expect(await lines()).toEqual(["begin up ", "end up ", "begin up ", "end up "]);
  });

  it("keeps the orders of several cells apart", async () => {
    const order = anOrder({ start: ["a"], cell: "cell:default:weur" });
    expect(work.take(order)).toBe(true);
    expect(work.take({ ...order, start: ["b"], cell: "cell:default:enam" })).toBe(true);
    await written(4);
    expect((await lines()).toSorted()).toEqual(["begin up a", "begin up b", "end up a", "end up b"]);
  });

  it("drops what an older order still wanted when a newer one comes, and lets the command that runs end", async () => {
    await writeFile(`${journal}.hold`, "");
    const order = anOrder({ start: ["a", "b"] });
    work.take(order);
    await written(1);
    work.take({ ...order, id: 2, since: order.since + 1, start: ["a"], stop: ["z"] });
    await rm(`${journal}.hold`);
    await written(3);
    expect(await lines()).toEqual(["begin up a", "end up a", "down z 1"]);
  });

  it("tries a command that failed again with the next order, and says why it failed", async () => {
    const order = anOrder({ stop: ["bad"] });
    work.take(order);
    await written(1);
    await eventually("it failed", () => logged.some(({ event }) => event === "command-failed"));
    work.take({ ...order, id: 2, since: order.since + 1 });
    await written(2);
    expect(await lines()).toEqual(["down bad 1", "down bad 1"]);
  });

  it("ends a command that takes too long, and what it has started", async () => {
    const endless = `trap "echo ended >> ${journal}; exit" TERM; echo begun >> ${journal}; while :; do sleep 0.05; done`;
    const up = `sh -c '${endless}' & wait`;
    const slow = new ScalerWork({ up, down: "true", limitMs: 3_000, log: (line) => void logged.push(line) });
    slow.take(anOrder({ start: ["a"] }));
    await eventually("it was ended", () => logged.some(({ event }) => event === "command-failed"));
    expect(logged.find(({ event }) => event === "command-failed")).toMatchObject({
      reason: "took too long",
      host: "a",
    });
    await written(2);
    expect(await lines()).toEqual(["begun", "ended"]);
  });
});

describe("hive scaler", () => {
  it("wants both commands, and keys from somewhere", async () => {
    const state = await stateFolder();
    expect((await runHive(["scaler", "--up", "true"])).code).toBe(2);
    const ended = await runHive([
      "scaler",
      "--up",
      "true",
      "--down",
      "true",
      "--state",
      state,
      "--edge",
      "http://127.0.0.1:9",
    ]);
    expect(ended.code).toBe(1);
    expect(ended.errors).toEqual(["hive: no keys from http://127.0.0.1:9; is hive running there?"]);
  });
});
