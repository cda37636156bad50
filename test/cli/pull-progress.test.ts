// The progress of a pull as people see it.
import { expect, it } from "vitest";
import { PullProgress } from "../../src/cli/pull-progress.ts";

const layer = (host: string, completed: number) =>
  JSON.stringify({ host, status: "pulling 0123", digest: "sha256:0123", total: 1_000_000, completed });

it("shows a bar for each host", () => {
  const progress = new PullProgress();
  expect(progress.take('{"host":"gpu1","status":"pulling manifest"}')).toBe("gpu1");
  expect(progress.take(layer("gpu1", 250_000))).toBe("gpu1");
  expect(progress.take(layer("gpu1", 500_000))).toBeUndefined();
  expect(progress.take(layer("b", 1_000_000))).toBe("b");
  expect(progress.lines()).toEqual([
    `gpu1  ${"█".repeat(12)}${"░".repeat(12)}  50 %  500 KB/1.0 MB  pulling 0123`,
    `b     ${"█".repeat(24)} 100 %  1.0 MB/1.0 MB  pulling 0123`,
  ]);
  expect(progress.line("b")).toBe("b: pulling 0123");
});

it("keeps the error that ends it, and says which host failed", () => {
  const progress = new PullProgress();
  expect(progress.take('{"host":"b","error":"no space left on device"}')).toBe("b");
  expect(progress.line("b")).toBe("b: failed: no space left on device");
  progress.take('{"error":"b: no space left on device"}');
  progress.take("not json");
  expect(progress.error).toBe("b: no space left on device");
});
