// What answers must not tell: faults of the edge itself, and what a page may do beside showing the fleet.
import { expect, it } from "vitest";
import { prepare } from "../../src/edge/env.ts";
import { readBody } from "../../src/edge/body/read-body.ts";
import { cappedBy, principalOf } from "../../src/edge/caller/request-policy.ts";
import { ORIGIN, startEdge } from "./edge.ts";

it("a fault of the edge tells neither its words nor its place, in any API's shape [T30 T27]", async () => {
  const fault = (): never => {
    throw new Error("canary in /srv/hive/src/cell.ts:12 with eyJhbGciOiJub25lIn0.e30.x");
  };
  const edge = await startEdge({ CELL: { getByName: fault } as never });
  const token = await edge.admin();
  const body = JSON.stringify({ model: "llama3.2", messages: [] });
  for (const path of [
    "/api/tags",
    "/v1/models",
    "/hive/v1/fleet",
    "/api/chat",
    "/v1/chat/completions",
    "/v1/messages",
  ]) {
    const isPost = path.includes("cha") || path.includes("mess");
    const response = await edge.call(path, { token, ...(isPost ? { method: "POST", body } : {}) });
    const text = JSON.stringify([...response.headers]) + (await response.text());
    expect([path, response.status >= 500]).toEqual([path, true]);
    expect(text).not.toMatch(/canary|\.ts|eyJ|at \w+ \(/);
  }
});

it("the operator's page runs, loads, frames and sends nothing but its own [T26]", async () => {
  const edge = await startEdge();
  const [one, two] = [await edge.call("/hive/dashboard"), await edge.call("/hive/dashboard")];
  const policy = one.headers.get("content-security-policy") ?? "";
  const directives = new Map(
    policy.split("; ").map((text) => [text.split(" ")[0], text.split(" ").slice(1).join(" ")]),
  );
  const nonce = /^'nonce-([\w-]{36})'$/.exec(directives.get("script-src") ?? "")?.[1] ?? expect.fail(policy);
  for (const name of ["default-src", "base-uri", "form-action", "frame-ancestors"])
    expect([name, directives.get(name)]).toEqual([name, "'none'"]);
  expect(directives.get("connect-src")).toBe("'self'");
  expect(directives.get("require-trusted-types-for")).toBe("'script'");
  expect(policy).not.toMatch(/unsafe|\*|https?:/);
  const html = await one.text();
  expect(html.match(/<script/g)).toHaveLength(1);
  expect(html).toContain(`<script nonce="${nonce}">`);
  expect(html).not.toMatch(/ on\w+=|innerHTML|insertAdjacentHTML|document\.write|eval\(/);
  expect(two.headers.get("content-security-policy")).not.toBe(policy);
  expect(one.headers.get("cache-control")).toBe("no-store");
});

it("hashes of prompts are under a key that nobody knows who lacks the secret keys [T20]", async () => {
  const [one, two] = [await startEdge(), await startEdge()];
  const [first, second] = [(await prepare(one.env)).prefixKey, (await prepare(two.env)).prefixKey];
  expect(first).not.toEqual(second);
});

it("a request gets no higher priority than its token has [T14 T23]", () => {
  const caller = (priority: "low" | "normal" | "high") => ({
    role: "client" as const,
    principal: { tokenId: "t", tenant: "acme", priority, pool: "default" },
    models: ["*"],
    scopes: ["inference"],
    issuedAt: 0,
  });
  const asked = (has: "low" | "normal" | "high", wants: string | undefined) => principalOf(caller(has), wants).priority;
  expect(["low", "normal", "high", undefined, "HIGH", "9"].map((wants) => asked("low", wants))).toEqual(
    Array.from({ length: 6 }, () => "low"),
  );
  expect([asked("normal", "high"), asked("normal", "low"), asked("high", "normal")]).toEqual([
    "normal",
    "low",
    "normal",
  ]);
});

it("an answer without end has one where the token has a cap [T23]", () => {
  expect([undefined, -1, -2, 0, 5, 100].map((wanted) => cappedBy(10, wanted))).toEqual([10, 10, 10, 10, 5, 10]);
  expect(cappedBy(undefined, -1)).toBe(-1);
});

it("a body is counted while it is read, and what is too much is not read to its end [T21]", async () => {
  let sentBytes = 0;
  const endless = () =>
    new ReadableStream<Uint8Array>({
      pull: (controller) => {
        sentBytes += 1_000;
        controller.enqueue(new Uint8Array(1_000));
      },
    });
  const post = (body: BodyInit, headers: Record<string, string> = {}) =>
    new Request(ORIGIN, { method: "POST", body, headers });
  expect(await readBody(post(endless()), 10_000)).toEqual({ ok: false, error: "too_large" });
  expect(sentBytes).toBeLessThan(100_000);
  expect(await readBody(post("x".repeat(10_001)), 10_000)).toEqual({ ok: false, error: "too_large" });
  const declared = (size: number) => post("x".repeat(size), { "content-length": String(size) });
  expect(await readBody(declared(10_001), 10_000)).toEqual({ ok: false, error: "too_large" });
  expect(await readBody(declared(10_000), 10_000)).toMatchObject({ ok: true });
  expect(await readBody(post("x".repeat(10_000)), 10_000)).toMatchObject({ ok: true });
});
