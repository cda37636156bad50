// The progress of several hosts as that of one.
import { expect, it } from "vitest";
import { mergeProgress, Progress } from "../../src/edge/models/merge-progress.ts";

const layer = (completed?: number) => ({
  status: "pulling 0123",
  digest: "sha256:0123",
  total: 100,
  ...(completed === undefined ? {} : { completed }),
});

it("says once what every host says", () => {
  const progress = new Progress(["a", "b"]);
  expect(progress.take("a", { status: "pulling manifest" })).toEqual({ status: "pulling manifest" });
  expect(progress.take("b", { status: "pulling manifest" })).toBeUndefined();
});

it("is as far with a layer as the slowest host", () => {
  const progress = new Progress(["a", "b"]);
  expect(progress.take("a", layer())).toEqual(layer());
  expect(progress.take("a", layer(100))).toBeUndefined();
  expect(progress.take("b", layer(40))).toEqual(layer(40));
  expect(progress.take("b", layer(30))).toBeUndefined();
  expect(progress.take("b", layer(100))).toEqual(layer(100));
});

it("does not wait for a host that is done or has failed", () => {
  const progress = new Progress(["a", "b", "c"]);
  progress.take("a", { status: "success" });
  progress.take("c", { error: "no space left on device" });
  expect(progress.take("b", layer(10))).toEqual(layer(10));
});

it("succeeds when all have", () => {
  const progress = new Progress(["a", "b"]);
  for (const host of ["a", "b"]) {
    expect(progress.take(host, { status: "success" })).toBeUndefined();
    progress.end(host);
  }
  expect(progress.conclusion()).toEqual({ status: "success" });
});

it("fails in Ollama's words where all fail alike, and else names the hosts", () => {
  const alike = new Progress(["a", "b"]);
  for (const host of ["a", "b"]) alike.take(host, { error: "pull model manifest: file does not exist" });
  expect(alike.conclusion()).toEqual({ error: "pull model manifest: file does not exist" });
  const one = new Progress(["a", "b"]);
  one.take("a", { status: "success" });
  one.take("b", { error: "no space left on device" });
  expect(one.conclusion()).toEqual({ error: "b: no space left on device" });
});

it("takes an end without success for a failure", () => {
  const progress = new Progress(["a"]);
  progress.take("a", { status: "pulling manifest" });
  progress.end("a");
  expect(progress.conclusion().error).toMatch(/stopped answering/);
});

it("is never silent while its hosts are, with what no reader of its records sees", async () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const leg = {
    ok: true,
    value: { head: { status: 200, headers: {} }, leftover: new Uint8Array(0), rest: readable },
  } as const;
  const { body, ended } = mergeProgress([{ hostId: "a", leg }], {
    perHost: true,
    keepAliveMs: 5,
    onLeft: () => undefined,
  });
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader.read()).value).toBe(" ");
  expect((await reader.read()).value).toBe(" ");
  const writer = writable.getWriter();
  void writer.write(new TextEncoder().encode('{"status":"success"}\n')).then(async () => await writer.close());
  let text = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
  await ended;
  expect(
    text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown),
  ).toEqual([{ status: "success", host: "a" }, { status: "success" }]);
});

it("remembers only so much of what a host makes up: steps, layers, and a line without end [T11]", async () => {
  const progress = new Progress(["a", "b"]);
  expect(progress.take("a", { status: "first" })).toBeDefined();
  expect(progress.take("a", { status: "first" })).toBeUndefined();
  for (let step = 0; step < 600; step += 1) progress.take("a", { status: `made up ${String(step)}` });
  expect(progress.take("a", { status: "first" })).toBeDefined();
  const alone = new Progress(["a"]);
  const madeUp = (index: number) => alone.take("a", { ...layer(1), digest: `sha256:${String(index)}` });
  for (let index = 0; index < 500; index += 1) expect(madeUp(index)).toBeDefined();
  expect(madeUp(500)).toBeUndefined();

  let sentBytes = 0;
  const rest = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      sentBytes += 10_000;
      if (sentBytes > 5_000_000) controller.close();
      else controller.enqueue(new Uint8Array(10_000).fill(0x61));
    },
  });
  const leg = { ok: true, value: { head: { status: 200, headers: {} }, leftover: new Uint8Array(0), rest } } as const;
  const { body, ended } = mergeProgress([{ hostId: "a", leg }], {
    perHost: false,
    keepAliveMs: 60_000,
    onLeft: () => undefined,
  });
  expect(await new Response(body).json()).toMatchObject({
    error: expect.stringMatching(/stopped answering/) as string,
  });
  await ended;
  expect(sentBytes).toBeLessThan(100_000);
});
