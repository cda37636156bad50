// Tests that wait as long as the world does; not part of `npm test`.
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: new URL("..", import.meta.url).pathname,
  test: { name: "slow", include: ["test/slow/**/*.slow.ts"], testTimeout: 1_200_000, hookTimeout: 60_000 },
});
