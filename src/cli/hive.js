#!/usr/bin/env node
// The command `hive` under any Node from 18 on: where it is too old to run TypeScript, the project's own Node takes over.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major > 22 || (major === 22 && minor >= 18)) {
  endWithWrapper();
  const { main } = await import("./program.ts");
  await main(process.argv);
} else {
  handOver(fileURLToPath(new URL("../../node_modules/node/bin/node", import.meta.url)));
}

function handOver(node) {
  if (!existsSync(node)) {
    console.error(
      `hive: Node ${process.versions.node} is too old; use 22.18 or later, or run npm ci without --ignore-scripts, which brings one`,
    );
    process.exit(1);
  }
  const script = fileURLToPath(import.meta.url);
  // The channel carries nothing: its end tells the child that this process is gone, however it went.
  const child = spawn(node, [script, ...process.argv.slice(2)], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    env: { ...process.env, HIVE_WRAPPED: "1" },
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.once("error", (error) => {
    console.error(`hive: cannot start ${node}: ${error.message}; run npm ci`);
    process.exit(1);
  });
  child.once("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}

function endWithWrapper() {
  if (process.env.HIVE_WRAPPED !== "1") return;
  delete process.env.HIVE_WRAPPED;
  // It may be gone before this line.
  if (!process.connected) process.exit(1);
  process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
  process.channel.unref();
}
