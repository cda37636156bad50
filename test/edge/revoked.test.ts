// How long an isolate trusts what it knows: tokens that it remembers, and what is revoked, also while nobody can tell it.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { RevocationView } from "../../src/wire/directory-rpc.ts";
import { startEdge } from "./edge.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: Date.now() }));
afterEach(() => void vi.useRealTimers());

/** A directory that tells what a test wants, or fails. */
function stubDirectory() {
  const state = { isDown: false, view: { revision: 1, entries: [], ollamaKeys: [] } as RevocationView };
  const stub = {
    readRevocations: async () => {
      if (state.isDown) throw new Error("down");
      return await Promise.resolve(state.view);
    },
    noteToken: async () => await Promise.resolve(),
  };
  return { state, DIRECTORY: { getByName: () => stub } };
}

const passSeconds = (seconds: number): void => void vi.setSystemTime(Date.now() + seconds * 1000);

describe("a token that is remembered [T15]", () => {
  it("ends with its expiry", async () => {
    const edge = await startEdge();
    const iat = Math.floor(Date.now() / 1000);
    const token = await edge.client({ iat, exp: iat + 60 });
    expect((await edge.call("/api/tags", { token })).status).toBe(200);
    passSeconds(58);
    expect((await edge.call("/api/tags", { token })).status).toBe(200);
    passSeconds(33);
    expect((await edge.call("/api/tags", { token })).status).toBe(401);
  });

  it.each([
    ["id", "token", "j-1"],
    ["tenant", "sub", "mallory"],
  ] as const)("ends within 5 s of the revocation of its %s", async (_, kind, id) => {
    const { state, DIRECTORY } = stubDirectory();
    const edge = await startEdge({ DIRECTORY: DIRECTORY as never });
    const iat = Math.floor(Date.now() / 1000) - 10;
    const token = await edge.client({ sub: "mallory", jti: "j-1", iat, exp: iat + 3_600 });
    const other = await edge.client({ sub: "mallory2", jti: "j-2", iat, exp: iat + 3_600 });
    const status = async (of: string) => (await edge.call("/api/tags", { token: of })).status;
    expect([await status(token), await status(other)]).toEqual([200, 200]);
    state.view = { revision: 2, entries: [{ kind, id, revokedAt: Date.now() }] };
    passSeconds(5);
    expect([await status(token), await status(other)]).toEqual([401, 200]);
  });

  it("opens nothing where nobody can tell any more whether it is revoked", async () => {
    const { state, DIRECTORY } = stubDirectory();
    const edge = await startEdge({ DIRECTORY: DIRECTORY as never });
    const token = await edge.client({ sub: "patient" });
    const status = async () => (await edge.call("/api/tags", { token })).status;
    expect(await status()).toBe(200);
    state.isDown = true;
    passSeconds(3);
    expect(await status()).toBe(200);
    passSeconds(2);
    expect(await status()).toBe(503);
    state.isDown = false;
    expect(await status()).toBe(200);
  });
});
