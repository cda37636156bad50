// The operator's commands of the scaling test: `up` and `down` start and stop a host of real processes, `run` is that host.
import { spawn } from "node:child_process";
import { access, mkdir, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { issueJoinToken } from "../../src/auth/join-token.ts";
import { importHiveKeys } from "../../src/auth/keys.ts";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { startSimulatedOllama } from "../../src/sim/ollama/server.ts";
import { freePort, startHive } from "./fleet.ts";

const PATIENCE_MS = 20_000;
const SLOTS = 2;
const LOOK_MS = 1_000;
const [verb, argument = ""] = process.argv.slice(2);
const stateDir = process.env["SCALED_STATE"] ?? "";
const edgeUrl = process.env["SCALED_EDGE"] ?? "";
const dir = join(stateDir, "scaled");

if (verb === "up") await up(process.env["HIVE_HOST"] ?? "");
if (verb === "down") await down(process.env["HIVE_HOST"] ?? "");
if (verb === "run") await run(argument);

/** Starts a host and returns when its agent is ready; without a name it makes one. */
async function up(name: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  const id = name === "" ? await newName() : name;
  const log = await open(join(dir, `${id}.log`), "a");
  const child = spawn(process.execPath, [process.argv[1] ?? "", "run", id], {
    detached: true,
    stdio: ["ignore", log.fd, log.fd],
  });
  child.unref();
  await writeFile(join(dir, `${id}.pid`), String(child.pid));
  await until(async () => (await readFile(join(dir, `${id}.ready`), "utf8").catch(() => "")) === String(child.pid));
  await log.close();
}

/** Asks a host to end, and returns when it has. */
async function down(id: string): Promise<void> {
  const pid = Number(await readFile(join(dir, `${id}.pid`), "utf8"));
  if (isAlive(pid)) process.kill(pid, "SIGTERM");
  await until(async () => !isAlive(pid));
  await rm(join(dir, `${id}.pid`), { force: true });
}

/** One simulated Ollama in this process, and `hive agent` beside it in its own. */
async function run(id: string): Promise<void> {
  const models = [simulatedModel({ name: "llama3.2", loadMs: 100, decodeTokensPerSecond: 40, answerTokens: 20 })];
  const ollama = await startSimulatedOllama({ models, slots: SLOTS, keepRequests: 0 });
  const portFile = join(dir, `${id}.port`);
  const known = await readFile(portFile, "utf8").catch(() => undefined);
  const port = known ?? String(await freePort());
  if (known === undefined) await writeFile(portFile, port);
  const flags = {
    "--edge": edgeUrl,
    "--ollama": ollama.url,
    "--listen": `127.0.0.1:${port}`,
    "--state": join(dir, id),
    "--slots": String(SLOTS),
    ...(known === undefined ? { "--join": await invite(id, port) } : {}),
  };
  const agent = await startHive(["agent", ...Object.entries(flags).flat()], "agent: ready");
  const end = (): void =>
    void agent
      .stop()
      .then(async () => await ollama.close())
      .then(() => process.exit(0));
  process.once("SIGTERM", end);
  // The test's folder goes with the test: no host outlives it.
  setInterval(() => void access(dir).catch(end), LOOK_MS);
  await writeFile(join(dir, `${id}.ready`), String(process.pid));
}

async function invite(id: string, port: string): Promise<string> {
  const keys = await importHiveKeys(await readFile(join(stateDir, "keys.json"), "utf8"));
  if (!keys.ok) throw new Error(keys.error);
  const invitation = { hostId: id, url: `http://127.0.0.1:${port}`, pool: "default", region: "" };
  return await issueJoinToken(keys.value, invitation, { issuer: "hive", now: Date.now() });
}

async function newName(): Promise<string> {
  const taken = new Set((await readdir(dir)).map((file) => file.split(".")[0]));
  for (let number = 1; ; number += 1) if (!taken.has(`s${number}`)) return `s${number}`;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`hive scaler: ${String(verb)} took too long`);
    await wait(50);
  }
}
