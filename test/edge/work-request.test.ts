// What a token with scope `manage` may make Ollama fetch, send and store: names it may use, from registries that are public.
import { describe, expect, it } from "vitest";
import { readWorkRequest, WORK_ROUTES } from "../../src/edge/models/work-request.ts";
import type { WorkRoute } from "../../src/edge/models/work-request.ts";

interface Asked {
  readonly models?: readonly string[];
  readonly role?: "client" | "admin";
  readonly cloudAllowed?: boolean;
}

/** Code of the refusal; undefined where the work may be done. */
function refusalOf(work: WorkRoute["work"], body: object, asked: Asked = {}): string | undefined {
  const route = WORK_ROUTES.find((row) => row.work === work) ?? expect.fail("no such work");
  const { role = "client", models = ["*"], cloudAllowed = false } = asked;
  const principal = { tokenId: "t", tenant: "acme", priority: "normal", pool: "default" } as const;
  const caller = { role, principal, models, scopes: ["manage"], issuedAt: 0 };
  const read = readWorkRequest(route, new TextEncoder().encode(JSON.stringify(body)), { caller, cloudAllowed });
  return read.ok ? undefined : read.error.code;
}

const INSIDE = [
  "169.254.169.254/latest/meta-data",
  "http://169.254.169.254/a/b",
  "127.0.0.1:11434/library/llama3.2",
  "localhost/library/x",
  "localhost:6379/a/b",
  "metadata.google.internal/a/b",
  "nas.local/a/b",
  "router/a/b",
  "2852039166/a/b",
  "0x7f.1/a/b",
  "registry.example.com:8443/a/b",
];

describe("a registry [T7 T24]", () => {
  it.each(INSIDE)("inside the host's network is reached by no client: %s", (model) => {
    for (const work of ["pull", "push"] as const) expect(refusalOf(work, { model })).toBe("model_forbidden");
    expect(refusalOf("pull", { name: model })).toBe("model_forbidden");
    expect(refusalOf("create", { model: "mine", from: model })).toBe("model_forbidden");
    expect(refusalOf("create", { model, from: "llama3.2" })).toBe("model_forbidden");
  });

  it("is reached over TLS alone, and what is public is open", () => {
    for (const insecure of [true, "true", 1, {}])
      expect(refusalOf("pull", { model: "hf.co/bartowski/x", insecure })).toBe("model_forbidden");
    expect(refusalOf("pull", { model: "llama3.2", insecure: true })).toBe("model_forbidden");
    for (const model of ["llama3.2", "me/mine:1b", "hf.co/bartowski/x:Q4_K_M", "https://hf.co/a/b"])
      for (const insecure of [undefined, false])
        expect([model, refusalOf("pull", { model, insecure })]).toEqual([model, undefined]);
  });

  it("is open to operators, and to a token whose globs name it", () => {
    const inside = { model: "registry.lan:5000/team/x", insecure: true };
    expect(refusalOf("pull", inside, { role: "admin" })).toBeUndefined();
    expect(refusalOf("pull", inside, { models: ["registry.lan:5000/team/*"] })).toBeUndefined();
    expect(refusalOf("pull", inside, { models: ["registry.lan:5000/other/*"] })).toBe("model_forbidden");
  });

  it("does not matter where nothing is fetched", () => {
    expect(refusalOf("delete", { model: "localhost:5000/a/b" })).toBeUndefined();
    expect(refusalOf("copy", { source: "localhost:5000/a/b", destination: "mine" })).toBeUndefined();
  });
});

describe("a model that is made [T25]", () => {
  it("runs nowhere but on its host", () => {
    for (const remote_host of ["https://evil.example", "https://ollama.com", "ollama.com"])
      expect(refusalOf("create", { model: "mine", from: "llama3.2", remote_host })).toBe("cloud_forbidden");
    expect(refusalOf("create", { model: "mine", from: "gpt-oss:120b-cloud" })).toBe("cloud_forbidden");
    expect(refusalOf("pull", { model: "gpt-oss:cloud" })).toBe("cloud_forbidden");
    expect(refusalOf("create", { model: "mine", from: "llama3.2", remote_host: "" })).toBeUndefined();
    const allowed = { cloudAllowed: true };
    expect(refusalOf("create", { model: "m", from: "l", remote_host: "https://ollama.com" }, allowed)).toBeUndefined();
  });
});

describe("the names in a body [T19 T24]", () => {
  it("are all such as the token may use", () => {
    const own = { models: ["mine*"] };
    for (const work of ["pull", "push", "create", "delete"] as const) {
      expect(refusalOf(work, { model: "theirs" }, own)).toBe("model_forbidden");
      expect(refusalOf(work, { name: "theirs" }, own)).toBe("model_forbidden");
      expect(refusalOf(work, { model: "", name: "theirs" }, own)).toBe("model_forbidden");
      expect(refusalOf(work, { model: "MINE-2" }, own)).toBeUndefined();
    }
    expect(refusalOf("create", { model: "mine", from: "theirs" }, own)).toBe("model_forbidden");
    expect(refusalOf("copy", { source: "theirs", destination: "mine" }, own)).toBe("model_forbidden");
    expect(refusalOf("copy", { source: "mine", destination: "theirs" }, own)).toBe("model_forbidden");
  });
});
