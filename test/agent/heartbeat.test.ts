// Joining and heartbeats: what the edge hears, and what the agent does with the answer.
import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { AgentError } from "../../src/agent/agent-error.ts";
import { startAgent } from "../../src/agent/agent.ts";
import { CHAT, startHost, takeApart, until } from "./fixture.ts";

describe("heartbeats", () => {
  it("report what Ollama has, signed, under a rising sequence", async () => {
    await using host = await startHost();
    await host.edge.beat((beat) => beat.sequence >= 3, 0);
    const [first, second] = host.edge.beats;
    expect(first).toMatchObject({
      sequence: 1,
      backend: "up",
      ollamaVersion: "0.33.0",
      slots: 4,
      parallel: 4,
      active: [],
      finished: [],
      running: [],
      models: [{ name: "tiny:latest", capabilities: ["completion", "tools"], contextLength: 131_072 }],
    });
    expect(second?.runId).toBe(first?.runId);
    expect(host.edge.rejected).toEqual([]);
    expect(host.ollama.requests.every(({ url }) => !/chat|generate|embed/.test(url))).toBe(true);
  });

  it("tell active leases, and finished ones with Ollama's counts until the edge has them", async () => {
    await using host = await startHost({ model: { decodeTokensPerSecond: 40 } });
    const body = { ...CHAT, options: { num_predict: 8 } };
    const leg = await host.send({ body, claims: { leaseId: "mine", model: "registry.ollama.ai/library/tiny:latest" } });
    await leg.firstBytes();
    const active = await host.edge.beat((beat) => beat.active.length > 0, 0);
    expect(active.active[0]).toMatchObject({ id: "mine", model: "registry.ollama.ai/library/tiny:latest" });
    host.edge.refuseBeatsWith = 503;
    const { body: answer } = takeApart((await leg.read()).text.replace(/^/, '{"status":200,"headers":{}}\n'));
    const last = JSON.parse(answer.trimEnd().split("\n").at(-1) ?? "") as Record<string, number>;
    const refused = host.edge.rejected.length;
    await until("a report was refused", () => host.edge.rejected.length > refused);
    host.edge.refuseBeatsWith = undefined;
    const beat = await host.edge.beat(({ finished }) => finished.length > 0, 0);
    expect(beat.finished).toHaveLength(1);
    expect(beat.finished[0]).toMatchObject({
      id: "mine",
      outcome: "served",
      outputTokens: last["eval_count"],
      promptTokens: last["prompt_eval_count"],
    });
    const after = await host.edge.beat(() => true);
    expect(after.finished).toEqual([]);
  });

  it("carry orders out: load, unload, cancel", async () => {
    await using host = await startHost({ model: { decodeTokensPerSecond: 10 } });
    host.edge.order({ type: "load", model: "tiny" });
    await host.edge.beat((beat) => beat.running.length === 1);
    host.edge.order({ type: "unload", model: "tiny" });
    await host.edge.beat((beat) => beat.running.length === 0);
    const leg = await host.send({ claims: { leaseId: "orphan" } });
    host.edge.order({ type: "cancel", leaseId: "orphan" });
    expect((await leg.read()).whole).toBe(false);
  });

  it("go on when the edge was away, with what finished meanwhile", async () => {
    await using host = await startHost();
    host.edge.away = true;
    await until("the agent has noticed", () => host.logged.some(({ event }) => event === "heartbeat-failed"));
    await (await host.send({ claims: { leaseId: "meanwhile" } })).read();
    host.edge.away = false;
    const beat = await host.edge.beat(({ finished }) => finished.length > 0);
    expect(beat.finished[0]?.id).toBe("meanwhile");
  });

  it("say in the log, once, that another agent has this identity [T6]", async () => {
    await using host = await startHost();
    host.edge.refuseBeatsWith = 409;
    await until("several were refused", () => host.edge.rejected.length >= 3);
    const lines = host.logged.filter(({ event }) => event === "heartbeat-failed");
    expect(lines).toEqual([expect.objectContaining({ reason: expect.stringContaining("another agent") })]);
  });

  it("do not storm an edge that asks for a resync every time", async () => {
    await using host = await startHost();
    host.edge.resync = true;
    host.edge.intervalMs = 60_000;
    await host.edge.beat(() => true);
    await host.edge.beat(() => true);
    const from = host.edge.beats.length;
    // An agent that answered every resync at once would send dozens in this time.
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(host.edge.beats.length - from).toBeLessThanOrEqual(1);
  });
});

describe("an agent whose clock is wrong", () => {
  it.each([600_000, -600_000])("joins, sends heartbeats and serves (edge is %i ms ahead)", async (offsetMs) => {
    await using host = await startHost();
    host.edge.clockOffsetMs = offsetMs;
    await host.start({ stateDir: join(host.stateDir, "second"), joinToken: await host.edge.invite() });
    expect(host.edge.joins).toHaveLength(2);
  });

  it.each([true, false])(
    "serves after the edge's time has moved under it (told with every answer: %s)",
    async (sendsDate) => {
      await using host = await startHost();
      host.edge.sendsDate = sendsDate;
      host.edge.clockOffsetMs = 600_000;
      await host.edge.beat(() => true);
      await host.edge.beat(() => true);
      const leg = await host.send({});
      expect(leg.status).toBe(200);
      await leg.read();
    },
  );
});

describe("starting", () => {
  it("keeps keys and identity for its user alone and needs no token again, nor minds a used one [T29]", async () => {
    await using host = await startHost();
    for (const name of ["agent.json", "agent-keys.json"]) {
      expect((await stat(join(host.stateDir, name))).mode & 0o777).toBe(0o600);
    }
    await host.agent.close();
    const again = await host.start();
    expect(again.hostId).toBe(host.edge.hostId);
    expect(host.edge.joins).toHaveLength(1);
    expect(host.edge.beats.at(-1)?.runId).not.toBe(host.edge.beats[0]?.runId);
  });

  it("ignores the invite it has used, and joins anew with another", async () => {
    await using host = await startHost();
    const invite = await host.edge.invite(2);
    await host.agent.close();
    const second = await host.start({ joinToken: invite });
    expect(host.edge.joins).toHaveLength(2);
    expect(host.edge.beats.at(-1)?.slots).toBe(2);
    await second.close();
    await host.start({ joinToken: invite });
    expect(host.edge.joins).toHaveLength(2);
  });

  it("refuses with one line what cannot work: a port for others, keys that others may read [T1 T29]", async () => {
    await using host = await startHost();
    const options = {
      edgeUrl: host.edge.url,
      ollamaUrl: host.ollama.url,
      listen: { hostname: "127.0.0.1", port: 0 },
      stateDir: host.stateDir,
      log: () => undefined,
    };
    const refused = async (changed: Partial<typeof options> & { slots?: number; joinToken?: string }, line: RegExp) => {
      const fault: unknown = await startAgent({ ...options, ...changed }).catch((cause: unknown) => cause);
      expect(fault).toBeInstanceOf(AgentError);
      expect((fault as AgentError).message).toMatch(line);
      expect((fault as AgentError).message).not.toContain("\n");
    };
    await refused({ listen: { hostname: "0.0.0.0", port: 0 } }, /127\.0\.0\.1 only/);
    await refused({ listen: { hostname: "127.0.0.1", port: host.agent.port } }, /in use/);
    await refused({ edgeUrl: "nowhere" }, /--edge/);
    for (const edgeUrl of [
      "http://hive.example.com",
      "http://8.8.8.8:8787",
      "http://169.254.169.254",
      "ftp://x.example",
    ])
      await refused({ edgeUrl }, /--edge.*https/);
    await refused({ ollamaUrl: "127.0.0.1" }, /--ollama/);
    await refused({ slots: 0 }, /slots/);
    await refused({ joinToken: "not.a.token" }, /hive host invite/);
    await refused({ stateDir: join(host.stateDir, "empty") }, /has not joined/);
    const keysPath = join(host.stateDir, "agent-keys.json");
    const keys = await readFile(keysPath, "utf8");
    await chmod(keysPath, 0o644);
    await refused({}, /chmod 600/);
    await chmod(keysPath, 0o600);
    await writeFile(keysPath, keys.slice(0, keys.length / 2));
    await refused({}, /join anew/);
    await writeFile(keysPath, keys);
    await writeFile(join(host.stateDir, "agent.json"), '{"hostId":');
    await refused({}, /damaged/);
  });
});
