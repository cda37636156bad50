// Packs the Worker as `wrangler deploy` would, and asserts how large it is: a cold start pays for each kilobyte.
import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** Most the Worker may weigh compressed: routing, limits, scaling, cells and page about 80 KiB, libraries (zod, jose, hono) 50. */
const GZIP_MAX_KIB = 132;

const wrangler = new URL("../../node_modules/.bin/wrangler", import.meta.url).pathname;
const { stdout } = await promisify(execFile)(wrangler, ["deploy", "--dry-run"], {
  env: { ...process.env, WRANGLER_SEND_METRICS: "false" },
});
const size = /gzip: ([\d.]+) KiB/.exec(stdout)?.[1];
if (size === undefined) throw new Error(`wrangler did not say the size:\n${stdout}`);
console.log(`Worker: ${size} KiB gzipped, at most ${GZIP_MAX_KIB}`);
if (Number(size) > GZIP_MAX_KIB) process.exitCode = 1;
