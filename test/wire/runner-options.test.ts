// Runner options as one line, and back.
import { expect, it } from "vitest";
import { readRunnerOptions, toRequest, writeRunnerOptions } from "../../src/wire/runner-options.ts";

it("writes in one order whatever the client's, and reads the same again", () => {
  const set = new Map<string, unknown>([
    ["use_mmap", false],
    ["num_ctx", 8192],
    ["num_gpu", -1],
  ]);
  const line = writeRunnerOptions(set);
  expect(line).toBe("num_ctx=8192,num_gpu=-1,use_mmap=false");
  expect(readRunnerOptions(line)).toEqual({ num_ctx: 8192, num_gpu: -1, use_mmap: false });
  expect(readRunnerOptions(writeRunnerOptions(new Map()))).toEqual({});
});

it("puts the context shift where Ollama looks for it: beside the options", () => {
  const line = writeRunnerOptions(
    new Map<string, unknown>([
      ["shift", false],
      ["num_ctx", 4096],
    ]),
  );
  expect(toRequest(line)).toEqual({ shift: false, options: { num_ctx: 4096 } });
  expect(toRequest("shift=false")).toEqual({ shift: false });
  expect(toRequest("")).toEqual({});
  expect(toRequest("nonsense")).toBeUndefined();
});

it("leaves values that are neither numbers nor flags to Ollama's own words", () => {
  for (const value of ["8192", [1, 2], { a: 1 }, null, "a,num_gpu=1"]) {
    expect(readRunnerOptions(writeRunnerOptions(new Map([["num_ctx", value]])))).toBeUndefined();
  }
  expect(readRunnerOptions("x".repeat(301))).toBeUndefined();
});
