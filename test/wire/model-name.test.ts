// Ollama's naming rules: every equality, refusal and display case that placement and permissions rely on.
import { describe, expect, it } from "vitest";
import { matchesModelGlobs, parseModelName } from "../../src/wire/model-name.ts";
import type { ModelName } from "../../src/wire/model-name.ts";

function nameOf(text: string): ModelName {
  const parsed = parseModelName(text);
  if (!parsed.ok) throw new Error(`${text}: ${parsed.error.message}`);
  return parsed.value;
}

function refusalOf(text: string): string {
  const parsed = parseModelName(text);
  return parsed.ok ? `accepted as ${parsed.value.canonical}` : parsed.error.code;
}

const part80 = "8".repeat(80);
const host350 = "3".repeat(350);

describe("canonical key", () => {
  it.each([
    "llama3.2",
    "llama3.2:latest",
    "library/llama3.2",
    "registry.ollama.ai/library/llama3.2:LATEST",
    " Llama3.2 ",
    "https://registry.ollama.ai/library/llama3.2",
  ])("is the same for %j", (text) => {
    expect(nameOf(text).canonical).toBe("registry.ollama.ai/library/llama3.2:latest");
  });

  it("ignores case in every part", () => {
    expect(nameOf("HF.co/myuser/repo:q4").canonical).toBe(nameOf("hf.co/MyUser/Repo:Q4").canonical);
  });

  it("tells names apart that differ in host, namespace, model or tag", () => {
    const names = ["m", "m:t", "n/m", "h/n/m", "h:1/n/m", "library2/m", "m2"];
    expect(new Set(names.map((name) => nameOf(name).canonical)).size).toBe(names.length);
  });

  it("reads a port as part of the host and not as a tag", () => {
    expect(nameOf("localhost:11434/library/foo")).toMatchObject({
      host: "localhost:11434",
      model: "foo",
      tag: "latest",
    });
    expect(nameOf("scheme://host:port/namespace/model:tag")).toMatchObject({
      host: "host:port",
      namespace: "namespace",
      tag: "tag",
    });
  });

  it("parses to itself", () => {
    for (const text of ["m", "N/M:T", "h:1/n/m:t", "hf.co/A/B.gguf:Q4_K_M"]) {
      const { canonical, display } = nameOf(text);
      expect(nameOf(canonical).canonical).toBe(canonical);
      expect(nameOf(display).canonical).toBe(canonical);
    }
  });
});

describe("display", () => {
  it.each([
    ["registry.ollama.ai/library/model", "model:latest"],
    ["Registry.Ollama.AI/Library/Model:Tag", "Model:Tag"],
    ["registry.ollama.ai/namespace/model:tag", "namespace/model:tag"],
    ["host/library/model:tag", "host/library/model:tag"],
    ["hf.co/MyUser/Repo:Q4", "hf.co/MyUser/Repo:Q4"],
  ])("of %s is %s", (text, display) => {
    expect(nameOf(text).display).toBe(display);
  });
});

describe("source suffix", () => {
  it.each([
    ["gpt-oss:20b:cloud", "gpt-oss:20b", "cloud"],
    ["gpt-oss:120b-cloud", "gpt-oss:120b", "cloud"],
    ["gpt-oss:120b-CLOUD", "gpt-oss:120b", "cloud"],
    ["qwen3:Cloud", "qwen3:latest", "cloud"],
    ["foo: cloud", "foo:latest", "cloud"],
    ["qwen3:8b:local", "qwen3:8b", "local"],
    ["my-cloud-model", "my-cloud-model:latest", undefined],
    ["host:cloud/n/m", "host:cloud/n/m:latest", undefined],
  ])("of %j leaves %s", (text, display, source) => {
    expect(nameOf(text)).toMatchObject({ display, source });
  });

  it.each(["x:local:cloud", "x:cloud:local", "x:cloud:cloud", "x:20b-cloud:cloud"])(
    "refuses %s, which names two",
    (text) => {
      expect(refusalOf(text)).toBe("conflicting_source");
    },
  );

  it("repeats the conflicting name in Ollama's words", () => {
    expect(parseModelName(" x:local:cloud ")).toEqual({
      ok: false,
      error: { code: "conflicting_source", message: 'use either :local or :cloud, not both: "x:local:cloud"' },
    });
  });
});

describe("refusals", () => {
  it.each([
    "^",
    "mm:",
    ":t",
    "/nn/mm",
    "//",
    "//mm",
    "hh//",
    "n/m:",
    "a/b/c/d/e",
    "a/b/c/d",
    "@t",
    "m@d",
    "tiny@sha256:0123",
    "00@",
    "@",
    "-m",
    "m:-t",
    "-hh/nn/mm:tt",
    "hh/-nn/mm:tt",
    "hh/nn/-mm:tt",
    "host/name:space/model:tag",
    "host/name.space/model",
    "m m",
    "m: latest",
    "foo :cloud",
    "x:-cloud",
    "näme",
    "m:tåg",
    "..",
    "a\u0000",
    `${part80}8`,
    `m:${part80}8`,
    `${part80}8/m`,
    `${host350}3/n/m`,
    "\uFEFFm",
  ])("%j is not a name", (text) => {
    expect(refusalOf(text)).toBe("invalid");
  });

  it.each(["", "   ", "\u0085\n"])("%j is no name at all", (text) => {
    expect(refusalOf(text)).toBe("required");
  });

  it("accepts the longest parts and the shortest", () => {
    expect(nameOf(`${host350}/${part80}/${part80}:${part80}`).host).toBe(host350);
    expect(nameOf("h/n/m:t").canonical).toBe("h/n/m:t");
    expect(nameOf("_why/_the/_lucky:_stiff").namespace).toBe("_the");
  });
});

describe("model globs", () => {
  it.each([
    ["llama3.2", "*"],
    ["hf.co/me/repo:q4", "*"],
    ["llama3.2:3b", "llama3*"],
    ["registry.ollama.ai/library/llama3.2:3b", "llama3*"],
    ["LLAMA3.2", "Llama3.2"],
    ["llama3.2:3b", "llama3.2"],
    ["llama3.2", "llama3.2:latest"],
    ["llama3.2:3b-q4", "llama3.2:3b*"],
    ["hf.co/Me/Repo:Q4", "hf.co/me/*"],
    ["hf.co/me/repo", "hf.co/*"],
    ["localhost:5000/me/repo", "localhost:5000/me/*"],
    ["me/repo", "me/*"],
    ["abcabc", "a*c"],
    ["a-b-c", "*-b-*"],
  ])("allow %s by %s", (name, glob) => {
    expect(matchesModelGlobs(name, ["other", glob])).toBe(true);
  });

  it.each([
    ["llama2", "llama3*"],
    ["llama3.2:3b", "llama3.2:latest"],
    ["llama3.2", "llama3"],
    ["evil/llama3", "llama3*"],
    ["hf.co/library/llama3", "llama3*"],
    ["hf.co/you/repo", "hf.co/me/*"],
    ["hf.co.evil/me/repo", "hf.co/me/*"],
    ["me/repo", "hf.co/*"],
    ["aba", "ab*ba"],
    ["ab", "a*b*b"],
    ["x", "a/b/c/d"],
    ["x", ""],
    ["not a name", "*"],
    ["", "*"],
    ["m.x", "m?x"],
  ])("refuse %s by %s", (name, glob) => {
    expect(matchesModelGlobs(name, [glob])).toBe(false);
  });

  it("allow nothing when there are none", () => {
    expect(matchesModelGlobs("m", [])).toBe(false);
  });
});
