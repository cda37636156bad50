// Flag values: what is accepted, and what it is read as.
import { describe, expect, it } from "vitest";
import { readListen, readOllamaUrl, readUrl } from "../../src/cli/flags.ts";
import { candidatesOf } from "../../src/cli/up-ollamas.ts";

describe("readOllamaUrl", () => {
  it.each([
    ["http://127.0.0.1:11434", "http://127.0.0.1:11434"],
    ["127.0.0.1", "http://127.0.0.1:11434"],
    ["0.0.0.0:8080", "http://127.0.0.1:8080"],
    ["gpu.local:80", "http://gpu.local"],
    ["gpu.local", "http://gpu.local:11434"],
    ["http://gpu.local/", "http://gpu.local"],
    ["https://gpu.example.com", "https://gpu.example.com"],
    [":1234", "http://127.0.0.1:1234"],
  ])("reads %s as Ollama's own OLLAMA_HOST does", (text, url) => {
    expect(readOllamaUrl(text)).toBe(url);
  });

  it("refuses another scheme", () => {
    expect(() => readOllamaUrl("ftp://x")).toThrow("expected");
  });
});

describe("candidatesOf", () => {
  it("prefers OLLAMA_HOSTS to OLLAMA_HOST to the default port", () => {
    expect(candidatesOf({ OLLAMA_HOSTS: "a:1, b:2,a:1", OLLAMA_HOST: "c:3" })).toEqual(["http://a:1", "http://b:2"]);
    expect(candidatesOf({ OLLAMA_HOSTS: "", OLLAMA_HOST: "c:3" })).toEqual(["http://c:3"]);
    expect(candidatesOf({})).toEqual(["http://127.0.0.1:11434"]);
  });
});

describe("readListen and readUrl", () => {
  it("takes an address with a port, or a port on loopback", () => {
    expect(readListen("0.0.0.0:5")).toEqual({ hostname: "0.0.0.0", port: 5 });
    expect(readListen("5")).toEqual({ hostname: "127.0.0.1", port: 5 });
    expect(() => readListen("host")).toThrow("expected");
  });

  it("drops the trailing slash of a base URL", () => {
    expect(readUrl("https://x.example/k/T/")).toBe("https://x.example/k/T");
  });
});
