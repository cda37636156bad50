// What `hive doctor` says of hosts: one line for each that names what is broken and what to do.
import { expect, it } from "vitest";
import { examineHosts } from "../../src/cli/doctor-hosts.ts";
import type { FleetView, HostView } from "../../src/wire/fleet-view.ts";

const model = { name: "llama3.2:latest", digest: "a".repeat(64), sizeBytes: 1, modifiedAt: "", capabilities: [] };

function host(changed: Partial<HostView> = {}): HostView {
  return {
    id: "gpu1",
    url: "https://gpu1.example.com",
    pool: "default",
    region: "any",
    status: "alive",
    drained: false,
    leaving: false,
    backend: "up",
    ollamaVersion: "0.33.0",
    runId: "run",
    slots: 1,
    activeLeases: 0,
    lastHeartbeatAgoMs: 2_000,
    models: [model],
    running: [],
    loading: [],
    reportedLeases: 0,
    forcedCancels: 0,
    unproven: false,
    quarantined: false,
    ...changed,
  };
}

function fleet(hosts: readonly HostView[], changed: Partial<FleetView> = {}): FleetView {
  return { hosts, conflicts: [], queued: 0, queue: [], activeLeases: 0, policy: "random", ...changed };
}

const arrives = async (): Promise<undefined> => undefined;

it("finds nothing wrong with a host that is heard and that a request reaches", async () => {
  const findings = await examineHosts(fleet([host()]), arrives);
  expect(findings).toMatchObject([{ check: "host gpu1", status: "ok" }]);
  expect(findings[0]?.fix).toBeUndefined();
});

it.each<[string, Partial<HostView>, "warn" | "fail", RegExp]>([
  ["was never heard", { status: "unheard", lastHeartbeatAgoMs: undefined }, "fail", /hive agent/],
  ["is dead", { status: "dead", lastHeartbeatAgoMs: 60_000 }, "fail", /agent running/],
  ["is under suspicion", { status: "suspect" }, "warn", /comes back/],
  ["has no Ollama", { backend: "down" }, "fail", /start Ollama/],
  ["is in quarantine", { quarantined: true }, "fail", /stop all of them but one/],
  ["has a hostname that leads elsewhere", { unproven: true }, "fail", /tunnel of https:\/\/gpu1\.example\.com/],
  ["has a twin", { rivalHeardAgoMs: 3_000 }, "warn", /stop one of them/],
  ["has no model", { models: [] }, "warn", /ollama pull/],
  ["is drained", { drained: true }, "warn", /host resume gpu1/],
  ["runs an old Ollama", { ollamaVersion: "0.17.0" }, "warn", /0\.17\.1/],
  ["runs a very old Ollama", { ollamaVersion: "0.9.12-rc1" }, "warn", /0\.17\.1/],
])("says what to do about a host that %s", async (_name, changed, status, fix) => {
  const findings = await examineHosts(fleet([host(changed)]), arrives);
  const [finding] = findings.filter((each) => each.status !== "ok");
  expect(finding).toMatchObject({ check: "host gpu1", status });
  expect(finding?.fix).toMatch(fix);
});

it.each(["0.17.1", "0.18.0", "1.0.0", "0.33.0-rc2"])("takes Ollama %s for new enough", async (ollamaVersion) => {
  const findings = await examineHosts(fleet([host({ ollamaVersion })]), arrives);
  expect(findings.map(({ status }) => status)).toEqual(["ok"]);
});

it("sends a request to every host that can take one, and to no other", async () => {
  const asked: string[] = [];
  const hosts = [
    host(),
    host({ id: "gpu2", drained: true }),
    host({ id: "gpu3", status: "dead" }),
    host({ id: "gpu4" }),
  ];
  const findings = await examineHosts(fleet(hosts), async ({ id }) => {
    asked.push(id);
    return id === "gpu4" ? "the edge answers 502" : undefined;
  });
  expect(asked).toEqual(["gpu1", "gpu4"]);
  const broken = findings.find(({ check }) => check === "host gpu4");
  expect(broken).toMatchObject({ status: "fail", says: expect.stringContaining("502") });
  expect(broken?.fix).toContain("https://gpu1.example.com");
});

it("says how to get a first host, which names are disputed, and that requests wait", async () => {
  expect(await examineHosts(fleet([]), arrives)).toMatchObject([
    { status: "fail", fix: expect.stringContaining("host invite") },
  ]);
  const copies = [
    { digest: "a", hosts: ["gpu1"] },
    { digest: "b", hosts: ["gpu2"] },
  ];
  const disputed = fleet([host()], { conflicts: [{ name: "llama3.2:latest", served: "a", copies }], queued: 3 });
  const findings = await examineHosts(disputed, arrives);
  expect(findings.find(({ check }) => check === "models")?.says).toMatch(/llama3\.2:latest; gpu2/);
  expect(findings.find(({ check }) => check === "queue")?.says).toMatch(/^3 request/);
});
