// Scaling end to end: hosts of real processes come and go with the load, through `hive scaler`, and no request fails.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { ScaleView } from "../../src/wire/scale.ts";
import { eventually, freePort, startFleet, startHive } from "../support/fleet.ts";
import type { RunningProcess, TestFleet } from "../support/fleet.ts";

const SCALED_HOST = new URL("../support/scaled-host.ts", import.meta.url).pathname;
const MODEL = "llama3.2";

let fleet: TestFleet;
let scaler: RunningProcess | undefined;
let port: number;

beforeEach(async () => {
  port = await freePort();
  fleet = await startFleet({
    MIN_INSTANCES: "0",
    MAX_INSTANCES: "3",
    HEARTBEAT_INTERVAL: "400ms",
    SCALE_WAIT: "500ms",
    SCALE_WINDOW: "2s",
    SCALE_COOLDOWN: "2s",
    SCALER_URL: `http://127.0.0.1:${port}/`,
    SCALER_DEADLINE: "15s",
  });
});

afterEach(async () => {
  // In order: a command that runs may be about to start one more host.
  await scaler?.stop();
  scaler = undefined;
  // A command that the scaler had begun may still start one.
  await eventually("all hosts have ended", async () => {
    const pids = await runningHosts();
    for (const pid of pids) process.kill(pid, "SIGTERM");
    return pids.length === 0;
  });
  await fleet.close();
});

async function startScaler(): Promise<RunningProcess> {
  const command = (verb: string) => `${process.execPath} ${SCALED_HOST} ${verb}`;
  const commands = ["--up", command("up"), "--down", command("down")];
  return await startHive(["scaler", ...commands, "--port", String(port), "--state", fleet.stateDir], "scaler: ready", {
    SCALED_STATE: fleet.stateDir,
    SCALED_EDGE: fleet.url,
  });
}

/** The processes that the operator's commands have started and that still live. */
async function runningHosts(): Promise<number[]> {
  const dir = join(fleet.stateDir, "scaled");
  const files = (await readdir(dir).catch(() => [])).filter((file) => file.endsWith(".pid"));
  const pids = await Promise.all(
    files.map(async (file) => Number(await readFile(join(dir, file), "utf8").catch(() => "0"))),
  );
  return pids.filter((pid) => {
    try {
      return pid > 0 && process.kill(pid, 0);
    } catch {
      return false;
    }
  });
}

async function readScale(): Promise<ScaleView> {
  const response = await fetch(`${fleet.url}/hive/v1/scale`, {
    headers: { authorization: `Bearer ${fleet.adminToken}` },
  });
  return (await response.json()) as ScaleView;
}

async function chat(model = MODEL): Promise<number> {
  const response = await fetch(`${fleet.url}/api/chat`, {
    method: "POST",
    headers: { authorization: `Bearer ${fleet.token}` },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "hi" }] }),
  });
  const text = await response.text();
  return response.ok && text.includes('"error"') ? 599 : response.status;
}

/** So many clients, each asking again as soon as it is answered, until they are told to stop. */
function clients(count: number, statuses: number[]): { stop(): Promise<void> } {
  const stopped = new AbortController();
  const each = Array.from({ length: count }, async () => {
    while (!stopped.signal.aborted) statuses.push(await chat());
  });
  return {
    stop: async () => {
      stopped.abort();
      await Promise.all(each);
    },
  };
}

it("starts hosts from zero as the load rises, keeps them while it holds, stops them as it falls, and fails no request", async () => {
  scaler = await startScaler();
  const statuses: number[] = [];
  statuses.push(await chat());
  expect(statuses).toEqual([200]);
  expect((await runningHosts()).length).toBeGreaterThanOrEqual(1);

  const crowd = clients(8, statuses);
  await eventually("three hosts serve", async () => (await readScale()).hosts.serving === 3, 60_000);
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  expect((await readScale()).hosts).toMatchObject({ wanted: 3, serving: 3 });
  await crowd.stop();

  await eventually("no host is left", async () => (await runningHosts()).length === 0, 60_000);
  await eventually("none is wanted", async () => (await readScale()).hosts.wanted === 0);
  expect(statuses.length).toBeGreaterThan(20);
  expect(statuses.filter((status) => status !== 200)).toEqual([]);
  const tags = await fetch(`${fleet.url}/api/tags`, { headers: { authorization: `Bearer ${fleet.token}` } });
  expect(await tags.json()).toMatchObject({ models: [{ name: "llama3.2:latest" }] });
  expect(await chat("nobody-has-this")).toBe(404);
  const again = await chat();
  expect(again).toBe(200);
}, 240_000);

it("posts an order again until somebody takes it", async () => {
  const answer = chat();
  await eventually("it was tried", async () => (await readScale()).order?.delivery?.startsWith("failing") === true);
  scaler = await startScaler();
  expect(await answer).toBe(200);
  expect((await readScale()).order?.delivery).toBe("delivered");
});

it("answers 503 with Retry-After when no host has come in time", async () => {
  const response = await fetch(`${fleet.url}/api/chat`, {
    method: "POST",
    headers: { authorization: `Bearer ${fleet.token}`, "hive-deadline-ms": "1500" },
    body: JSON.stringify({ model: MODEL, messages: [{ role: "user", content: "hi" }] }),
  });
  expect(response.status).toBe(503);
  expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
  await response.body?.cancel();
});
