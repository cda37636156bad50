// The progress of several hosts as that of one.
import { expect, it } from "vitest";
import { Progress } from "../../src/edge/models/merge-progress.ts";

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
