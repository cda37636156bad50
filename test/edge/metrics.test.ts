// Metrics: well-formed whatever hosts call their models, and without a word that is secret.
import { expect, it } from "vitest";
import { writeMetrics } from "../../src/edge/metrics.ts";
import type { HostView } from "../../src/wire/fleet-view.ts";
import { startEdge } from "./edge.ts";

const host = (model: string): HostView => ({
  id: "gpu1",
  url: "https://gpu1.hosts.example.com",
  pool: "default",
  region: "any",
  status: "alive",
  drained: false,
  leaving: false,
  unproven: false,
  quarantined: false,
  backend: "up",
  ollamaVersion: "0.33.0",
  runId: "run-1",
  slots: 4,
  activeLeases: 2,
  models: [{ name: model, digest: "d", sizeBytes: 1, modifiedAt: "", capabilities: [] }],
  running: [],
  loading: [],
  reportedLeases: 2,
  forcedCancels: 0,
});

const SAMPLE = /^[a-z_]+\{(?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)*\} -?\d+$/;

it("are one sample a line, also for a model whose name would write samples of its own [T26]", () => {
  const hostile = 'm"} 1\nhive_host_up{host="gpu1"} 0\\';
  const fleet = { hosts: [host(hostile)], conflicts: [], queued: 0, queue: [], activeLeases: 2, policy: "random" };
  const text = writeMetrics({ ...fleet, cells: [] });
  const lines = text
    .trimEnd()
    .split("\n")
    .filter((line) => !line.startsWith("# "));
  expect(lines.filter((line) => !SAMPLE.test(line))).toEqual([]);
  expect(lines.filter((line) => line.startsWith("hive_host_up"))).toEqual([
    'hive_host_up{host="gpu1",pool="default"} 1',
  ]);
  expect(text).not.toContain("hosts.example.com");
});

it("are for operators who may read, and count what the cells count", async () => {
  const edge = await startEdge();
  const response = await edge.call("/hive/metrics", { token: await edge.admin({ scopes: ["read"] }) });
  expect([response.status, response.headers.get("content-type")]).toEqual([
    200,
    "text/plain; version=0.0.4; charset=utf-8",
  ]);
  expect(await response.text()).toMatch(/^hive_cell_reachable\{cell="[^"]+"\} 1$/m);
  expect((await edge.call("/hive/metrics", { token: await edge.client() })).status).toBe(403);
});
