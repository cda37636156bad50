// What policy reads in a body and writes into it: the cap of an answer's length, and what would leave the host.
import { describe, expect, it } from "vitest";
import { capOutput } from "../../src/edge/body/cap-output.ts";
import { egressOf } from "../../src/edge/body/egress.ts";
import { ENDPOINTS } from "../../src/edge/endpoints.ts";
import { inspect } from "../../src/edge/body/inspect.ts";
import { scanBody } from "../../src/wire/json-scan.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const capped = (path: string, text: string) => new TextDecoder().decode(capOutput(path, bytesOf(text), 100));

describe("the cap of an answer [T23]", () => {
  it.each([
    ["/api/chat", '{"model":"m"}', '{"options":{"num_predict":100},"model":"m"}'],
    ["/api/chat", '{"model":"m","options":{}}', '{"model":"m","options":{"num_predict":100}}'],
    ["/api/chat", '{"model":"m","options":null}', '{"model":"m","options":{"num_predict":100}}'],
    ["/api/generate", '{"options": { "seed":1 }}', '{"options": {"num_predict":100, "seed":1 }}'],
    ["/api/generate", '{"options":{"num_predict":-1}}', '{"options":{"num_predict":100}}'],
    ["/api/generate", '{"options":{"num_predict":0}}', '{"options":{"num_predict":100}}'],
    ["/api/generate", '{"options":{"num_predict":1e9}}', '{"options":{"num_predict":100}}'],
    ["/api/generate", '{"options":{"num_predict":"7"}}', '{"options":{"num_predict":100}}'],
    ["/v1/chat/completions", '{"model":"m"}', '{"max_tokens":100,"model":"m"}'],
    ["/v1/chat/completions", '{"max_completion_tokens":7}', '{"max_tokens":7,"max_completion_tokens":7}'],
    ["/v1/chat/completions", '{"max_completion_tokens":700}', '{"max_tokens":100,"max_completion_tokens":100}'],
    ["/v1/completions", '{"max_tokens":null}', '{"max_tokens":100}'],
    ["/v1/responses", '{"max_output_tokens":101}', '{"max_output_tokens":100}'],
    ["/v1/messages", '{"max_tokens":4096,"é":"max_tokens"}', '{"max_tokens":100,"é":"max_tokens"}'],
  ])("%s %s becomes %s", (path, body, wanted) => {
    expect(capped(path, body)).toBe(wanted);
    expect(capped(path, wanted)).toBe(wanted);
  });

  it.each([
    ["/api/chat", '{"model":"m","options":{"num_predict":100}}'],
    ["/v1/messages", '{ "max_tokens" : 1 }'],
    ["/api/embed", '{"model":"m"}'],
  ])("%s %s stays byte for byte", (path, body) => {
    const bytes = bytesOf(body);
    expect(capOutput(path, bytes, 100)).toBe(bytes);
  });
});

describe("what would leave a host [T25 T30]", () => {
  const egress = (path: string, text: string) => {
    const scanned = scanBody(bytesOf(text));
    if (!scanned.ok) throw new Error(scanned.error.message);
    return egressOf(path, scanned.body);
  };

  it.each([
    ["/v1/messages", '{"tools":[{"type":"web_search_20250305","name":"web_search"}]}', "web-tools"],
    ["/v1/messages", '{"tools":[{"name":"a"},{"type":" WEB_FETCH_1"}]}', "web-tools"],
    ["/v1/responses", '{"tools":[{"type":"web_search_preview"}]}', "web-tools"],
    ["/v1/responses", String.raw`{"tools":[{"type":"web\u005fsearch"}]}`, "web-tools"],
    ["/v1/responses", String.raw`{"too\u006cs":[{"type":"web_search"}]}`, "web-tools"],
    ["/api/generate", '{"_debug_render_only":true}', "render"],
    ["/api/chat", '{"_debug_render_only":"true"}', "render"],
    ["/api/chat", String.raw`{"_debug_render_onl\u0079":true}`, "render"],
    ["/api/chat", '{"_debug_render_only":false}', undefined],
    ["/v1/messages", '{"tools":[{"name":"web_search","input_schema":{}}]}', undefined],
    ["/v1/chat/completions", '{"tools":[{"type":"function","function":{"name":"web_search"}}]}', undefined],
    ["/v1/responses", '{"tools":null}', undefined],
  ])("%s %s: %s", (path, body, wanted) => {
    expect(egress(path, body)).toBe(wanted);
  });

  it("is refused under a folded key before anything is read of it", () => {
    const endpoint = ENDPOINTS.get("/api/chat") ?? expect.fail("no endpoint");
    for (const key of ["_DEBUG_render_only", '_debug_render_only":false,"_debug_render_only']) {
      const read = inspect(endpoint, bytesOf(`{"model":"m","${key}":true}`));
      expect(read).toMatchObject({ ok: false, error: { code: "ambiguous_body" } });
    }
  });
});

describe("keep_alive", () => {
  it.each([
    ["0", true],
    ['"0"', true],
    ['"0s"', true],
    ['"0h0m0s"', true],
    ['"-0s"', true],
    ["-1", false],
    ['"5m"', false],
    ['"10ms"', false],
    ["null", false],
  ])("%s unloads the model: %s [T22]", (value, unloads) => {
    const endpoint = ENDPOINTS.get("/api/generate") ?? expect.fail("no endpoint");
    expect(inspect(endpoint, bytesOf(`{"model":"m","keep_alive":${value}}`))).toMatchObject({ value: { unloads } });
  });
});
