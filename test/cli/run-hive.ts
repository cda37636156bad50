// Runs one command of the real CLI to its end.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { plainEnv } from "../support/plain-env.ts";

export const HIVE = new URL("../../src/cli/hive.js", import.meta.url).pathname;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  /** Non-empty lines of standard error. */
  readonly errors: readonly string[];
}

/** Runs `hive ARGS`; variables of Hive in the caller's own environment do not reach it. */
export async function runHive(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const child = spawn(process.execPath, [HIVE, ...args], {
    env: plainEnv(env),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const texts = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => (texts.stdout += chunk.toString("utf8")));
  child.stderr.on("data", (chunk: Buffer) => (texts.stderr += chunk.toString("utf8")));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { code, stdout: texts.stdout, errors: texts.stderr.split("\n").filter((line) => line !== "") };
}

/** A state folder that goes with the test. */
export async function stateFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "hive-cli-"));
  onTestFinished(async () => rm(folder, { recursive: true, force: true }));
  return folder;
}
