// How work ends that nobody wants any more, or whose Ollama falls silent: proven, reported, and in time.
import { describe, expect, it } from "vitest";
import { CHAT, startHost, takeApart, until } from "./fixture.ts";

const CHAT_PATH = "/api/chat";
const LONG = { ...CHAT, options: { num_predict: 500 } };
const STALL_MS = 600;

describe("a cancelled request", () => {
  it("is listed until Ollama has let go, and then nowhere", async () => {
    await using host = await startHost({ model: { decodeTokensPerSecond: 20 } });
    const leg = await host.send({ body: LONG, claims: { leaseId: "left" } });
    await leg.firstBytes();
    leg.request.destroy();
    const gone = await host.edge.beat(({ finished }) => finished.some(({ id }) => id === "left"));
    expect(gone).toMatchObject({ active: [], forcedCancels: 0 });
    expect(host.ollama.gauges().activeGenerations).toBe(0);
  });

  it("that Ollama goes on with is cut a second time, by force, and reported", async () => {
    await using host = await startHost({ model: { decodeTokensPerSecond: 20 } });
    await host.ollama.setFault({ kind: "deaf", times: 1 });
    const leg = await host.send({ body: LONG, claims: { leaseId: "deaf" } });
    await leg.firstBytes();
    const from = host.edge.beats.length;
    leg.request.destroy();
    const still = await host.edge.beat(({ active }) => active.some(({ id }) => id === "deaf"), from + 2);
    expect(still.forcedCancels).toBe(0);
    expect(host.ollama.gauges().activeGenerations).toBe(1);
    const gone = await host.edge.beat(({ finished }) => finished.some(({ id }) => id === "deaf"), from);
    expect(gone).toMatchObject({ active: [], forcedCancels: 1 });
    expect(host.logged).toContainEqual(expect.objectContaining({ event: "cancel-forced", leaseId: "deaf" }));
    await until("Ollama felt the reset", () => host.ollama.gauges().activeGenerations === 0);
  });

  it("keeps its slot from nobody while Ollama is slow to let go", async () => {
    await using host = await startHost({ agent: { slots: 1 }, model: { decodeTokensPerSecond: 20 } });
    await host.ollama.setFault({ kind: "deaf", times: 1 });
    const first = await host.send({ body: LONG });
    await first.firstBytes();
    first.request.destroy();
    await until("the next is accepted", () => first.answer.destroyed);
    await host.edge.beat(() => true);
    const second = await host.send({ body: { ...CHAT, options: { num_predict: 1 } } });
    expect(second.status).toBe(200);
    expect(takeApart((await second.read()).text).head.status).toBe(200);
  });
});

describe("a request whose answer is whole", () => {
  it("ends no other that has got its connection to Ollama since, when its client leaves", async () => {
    await using host = await startHost({ model: { decodeTokensPerSecond: 100 } });
    // The answer's end waits until the edge has heard of the load, for 2 s at most.
    host.edge.away = true;
    const claims = { model: "registry.ollama.ai/library/tiny:latest" };
    const first = await host.send({ body: { ...CHAT, options: { num_predict: 2 } }, claims });
    await until("Ollama is done", () =>
      host.ollama.requests.some(({ url, finished }) => url === CHAT_PATH && finished),
    );
    const second = await host.send({ body: { ...CHAT, options: { num_predict: 100 } } });
    await second.firstBytes();
    first.request.destroy();
    const { text, whole } = await second.read();
    expect(whole).toBe(true);
    expect(text).toContain('"done":true');
    const [one, other] = host.ollama.requests.filter(({ url }) => url === CHAT_PATH);
    expect(other?.remotePort).toBe(one?.remotePort ?? "none");
  });
});

describe("a deadline", () => {
  it("that has passed keeps the request from Ollama", async () => {
    await using host = await startHost();
    const leg = await host.send({
      claims: { deadlineAt: Date.now() - 1, model: "registry.ollama.ai/library/tiny:latest" },
    });
    expect(takeApart((await leg.read()).text).head).toMatchObject({ status: 504, code: "deadline" });
    expect(host.ollama.requests.some(({ url }) => url === "/api/chat" || url === "/api/generate")).toBe(false);
  });

  it("ends the wait for a load, and not the load", async () => {
    await using host = await startHost({ model: { loadMs: 3_000 } });
    const claims = { deadlineAt: Date.now() + 1_500, model: "registry.ollama.ai/library/tiny:latest" };
    const leg = await host.send({ claims });
    expect(takeApart((await leg.read()).text).head).toMatchObject({ status: 504, code: "deadline" });
    await host.edge.beat(({ running }) => running.length === 1);
    expect(host.ollama.gauges()).toMatchObject({ loads: 1, abortedLoads: 0 });
    expect(host.ollama.requests.some(({ url }) => url === "/api/chat")).toBe(false);
  });

  it("in the middle of an answer breaks it off after whole records", async () => {
    await using host = await startHost({ model: { decodeTokensPerSecond: 50 } });
    const leg = await host.send({ body: LONG, claims: { leaseId: "late", deadlineAt: Date.now() + 1_500 } });
    const { text, whole } = await leg.read();
    expect(whole).toBe(false);
    expect(takeApart(text).body).toMatch(/\}\n$/);
    const beat = await host.edge.beat(({ finished }) => finished.some(({ id }) => id === "late"), 0);
    expect(beat.finished).toMatchObject([{ id: "late", outcome: "cancelled" }]);
  });
});

describe("an Ollama that falls silent in the middle of an answer", () => {
  it.each([
    { about: "for the limit", extra: {}, limits: 1 },
    { about: "for twice the limit where tools hold text back", extra: { tools: [{ type: "function" }] }, limits: 2 },
    { about: "for twice the limit where a format holds text back", extra: { format: "json" }, limits: 2 },
  ])("has failed when it was silent $about", async ({ extra, limits }) => {
    await using host = await startHost({
      agent: { limits: { stallMs: STALL_MS } },
      model: { decodeTokensPerSecond: 1_000 },
    });
    await host.ollama.setFault({ kind: "hang", afterTokens: 3, times: 1 });
    // From before the silence on: on a busy machine the first bytes may be read long after they were written.
    const sentAt = performance.now();
    const leg = await host.send({ body: { ...LONG, ...extra }, claims: { leaseId: "stalled" } });
    const { whole } = await leg.read();
    expect(whole).toBe(false);
    expect(performance.now() - sentAt).toBeGreaterThan(limits * STALL_MS);
    const beat = await host.edge.beat(({ finished }) => finished.some(({ id }) => id === "stalled"), 0);
    expect(beat.finished).toMatchObject([{ id: "stalled", outcome: "failed" }]);
    await until("Ollama is rid of it", () => host.ollama.gauges().activeGenerations === 0);
  });

  it("may think for as long as it likes before the first token", async () => {
    await using host = await startHost({
      agent: { limits: { stallMs: STALL_MS } },
      model: { prefillTokensPerSecond: 20 },
    });
    const { text, whole } = await (await host.send({})).read();
    expect(whole).toBe(true);
    expect(takeApart(text).body).toContain('"done":true');
  });

  it("is not blamed when it is the edge that does not read", async () => {
    await using host = await startHost({ agent: { limits: { stallMs: STALL_MS } } });
    // More than the sockets between them hold.
    const leg = await host.send({ body: { ...CHAT, options: { num_predict: 100_000 } } });
    await leg.firstBytes();
    leg.answer.pause();
    const pausedAt = performance.now();
    await host.edge.beat(() => performance.now() - pausedAt > 4 * STALL_MS);
    const reading = leg.read();
    leg.answer.resume();
    expect((await reading).whole).toBe(true);
  }, 30_000);
});
