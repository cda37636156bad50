// The simulated host reads JSON as Go does: its verdicts against those of Go 1.26's encoding/json.
import { describe, expect, it } from "vitest";
import { decodeBody } from "../../../src/sim/ollama/go/go-decode.ts";
import { goAny } from "../../../src/sim/ollama/go/go-types.ts";
import { chatRequest } from "../../../src/sim/ollama/api/native-requests.ts";
import { readVectors } from "./support.ts";

type Row = [bodyBase64: string, error: string, value?: unknown];

describe("the first JSON value of a body", () => {
  it.each(readVectors<Row>("go-decoder.jsonl"))("is judged as Go judges it: %s", (body, error, value) => {
    const expected = error === "" ? { ok: true, value } : { ok: false, error };
    expect(decodeBody(goAny, Buffer.from(body, "base64"))).toEqual(expected);
  });
});

describe("keys of a struct", () => {
  function modelOf(body: string): string | undefined {
    const decoded = decodeBody(chatRequest, Buffer.from(body));
    return decoded.ok ? decoded.value.model : undefined;
  }

  it("match in any case, also where Unicode folds to ASCII", () => {
    expect(modelOf('{"MODEL":"a"}')).toBe("a");
    const decoded = decodeBody(chatRequest, Buffer.from('{"me\u017f\u017fages":[],"\u212Aeep_alive":"2m"}'));
    expect(decoded).toMatchObject({ ok: true, value: { messages: [], keep_alive: 120_000 } });
  });

  it("count the last time they appear, whatever their case", () => {
    expect(modelOf('{"model":"a","Model":"b","model":"c"}')).toBe("c");
    expect(modelOf('{"model":"a","Model":"b"}')).toBe("b");
    expect(modelOf('{"model":"a","model":null}')).toBe("a");
  });

  it("merge two objects of options, key by key", () => {
    const body = '{"options":{"seed":1,"num_ctx":2},"OPTIONS":{"num_ctx":3}}';
    expect(decodeBody(chatRequest, Buffer.from(body))).toMatchObject({ value: { options: { seed: 1, num_ctx: 3 } } });
  });
});

describe("what follows the first value", () => {
  it("is not looked at", () => {
    expect(decodeBody(chatRequest, Buffer.from('{"model":"a"} }} not json'))).toMatchObject({ value: { model: "a" } });
  });
});
