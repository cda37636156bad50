// Where the edge may be sent (SSRF): only what an operator can mean, and never itself.
import { describe, expect, it } from "vitest";
import { checkHostUrl } from "../../src/edge/leg/host-url.ts";
import { readSettings } from "../../src/wire/settings.ts";
import { valueOf } from "./edge.ts";

const EDGE = "hive.hosts.example.com";
const settings = (vars: Record<string, string> = {}) =>
  valueOf(readSettings({ HOST_DOMAINS: "hosts.example.com", ...vars }));

describe("the address of a host [T7]", () => {
  it.each([
    ["gpu1.hosts.example.com", "https://gpu1.hosts.example.com"],
    ["https://gpu1.hosts.example.com", "https://gpu1.hosts.example.com"],
    ["https://GPU1.hosts.example.com/", "https://gpu1.hosts.example.com"],
    ["https://gpu1.hosts.example.com:443", "https://gpu1.hosts.example.com"],
  ])("%s is one", (text, wanted) => {
    expect(checkHostUrl(text, settings(), EDGE)).toEqual({ ok: true, value: wanted });
  });

  it.each([
    "https://169.254.169.254",
    "https://[::ffff:a9fe:a9fe]",
    "https://[::1]",
    "https://2852039166",
    "https://0xa9fea9fe",
    "https://0251.0376.0251.0376",
    "https://0x7f.1",
    "https://127.1",
    "https://127.0.0.1",
    "https://0",
    "https://10.0.0.1.hosts.example.com:8443",
    "https://localhost",
    "https://localhost.",
    "https://gpu1.hosts.example.com.",
    "https://hosts.example.com",
    "https://nothosts.example.com",
    "https://gpu1.hosts.example.com.evil.net",
    "https://evil.net/gpu1.hosts.example.com",
    "https://evil.net#gpu1.hosts.example.com",
    "https://evil.net?gpu1.hosts.example.com",
    "https://evil.net\\gpu1.hosts.example.com",
    "https://gpu1.hosts.example.com@evil.net",
    "https://user@gpu1.hosts.example.com",
    "https://user:secret@gpu1.hosts.example.com",
    "https://gpu1.hosts.example.com:6379",
    "https://gpu1.hosts.example.com:80",
    "https://gpu1.hosts.example.com/path",
    "https://gpu1.hosts.example.com?query",
    "http://gpu1.hosts.example.com",
    "http://127.0.0.1:11434",
    "http://metadata.google.internal",
    "file:///etc/passwd",
    "data:text/plain,x",
    "javascript:alert(1)",
    "gopher://gpu1.hosts.example.com",
    "ws://gpu1.hosts.example.com",
    "ftp://gpu1.hosts.example.com",
    "https://xn--.hosts.example.com",
    "https://-gpu.hosts.example.com",
    "https://gpu_1.hosts.example.com",
    "https://gpu1..hosts.example.com",
    "https://gpu%31.evil.net",
    "https://ⓖpu1.evil.net",
    `https://${"a".repeat(64)}.hosts.example.com`,
    `https://${"a.".repeat(130)}hosts.example.com`,
    `https://${EDGE}`,
    `https://${EDGE.toUpperCase()}`,
    "",
    " ",
    "https://",
    "https://gpu1.hosts.example.com\r\nx: y",
    "https://gpu1\u0000.hosts.example.com",
  ])("%j is none", (text) => {
    expect(checkHostUrl(text, settings(), EDGE)).toMatchObject({ ok: false });
  });

  it("may be on this machine only where local hosts are allowed, and then nowhere but on 127.0.0.1", () => {
    const local = settings({ ALLOW_LOCAL_HOSTS: "true" });
    expect(checkHostUrl("http://127.0.0.1:11435", local, EDGE)).toEqual({ ok: true, value: "http://127.0.0.1:11435" });
    for (const text of [
      "http://127.0.0.2:11435",
      "http://0.0.0.0:11435",
      "http://localhost:11435",
      "http://[::1]:11435",
      "http://10.0.0.1:11435",
      "http://127.0.0.1:11435/api",
      "http://u@127.0.0.1:11435",
      "http://169.254.169.254",
    ]) {
      expect(checkHostUrl(text, local, EDGE), text).toMatchObject({ ok: false });
    }
  });

  it("is nowhere where no suffix is configured", () => {
    expect(checkHostUrl("gpu1.hosts.example.com", settings({ HOST_DOMAINS: "" }), EDGE)).toMatchObject({ ok: false });
  });
});
