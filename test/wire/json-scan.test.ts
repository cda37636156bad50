// What the edge relies on: spans that re-parse, refusal of what Ollama would read otherwise, and limits.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ScannedBody, ScanLimits } from "../../src/wire/json-scan.ts";
import { SCAN_LIMITS, scanBody } from "../../src/wire/json-scan.ts";
import { readJson, readScalar, readString } from "../../src/wire/json-text.ts";

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function scan(text: string): ScannedBody {
  const scanned = scanBody(bytesOf(text));
  if (!scanned.ok) throw new Error(scanned.error.message);
  return scanned.body;
}

function refusalOf(input: string | Uint8Array, limits?: ScanLimits): string {
  const scanned = scanBody(typeof input === "string" ? bytesOf(input) : input, limits);
  return scanned.ok ? "ok" : scanned.error.code;
}

function parsedMembers(body: ScannedBody): Record<string, unknown> {
  return Object.fromEntries([...body.members].map(([key, span]) => [key, readJson(body.bytes, span)]));
}

describe("the view of a body", () => {
  it("has the spans of top-level members and of options", () => {
    const body = scan(' {"model" : "m" , "stream":false,"options":{"num_ctx":4096,"stop":["a"]},"messages":[{},{}]} ');
    expect([...body.members.keys()]).toEqual(["model", "stream", "options", "messages"]);
    expect(body.members.get("model")).toEqual({ start: 12, end: 15, type: "string" });
    expect(readScalar(body.bytes, body.options.get("num_ctx"))).toBe(4096);
    expect(body.options.get("stop")?.type).toBe("array");
    expect(body.messageCount).toBe(2);
  });

  it("counts only the outer elements of messages", () => {
    expect(scan('{"messages":[{"content":[1,2,3]},[4,5],6]}').messageCount).toBe(3);
    expect(scan('{"messages":[],"tools":[1,2]}').messageCount).toBe(0);
    expect(scan('{"messages":"none"}').messageCount).toBe(0);
  });

  it("has no options where options is not an object", () => {
    expect(scan('{"options":null}').options.size).toBe(0);
    expect(scan('{"options":[{"A":1,"a":2}]}').options.size).toBe(0);
  });

  it("reads scalars and nothing else", () => {
    const { bytes, members } = scan('{"s":"x","n":-1.5e2,"t":true,"f":false,"z":null,"o":{},"a":[]}');
    const read = (key: string): unknown => readScalar(bytes, members.get(key));
    expect(["s", "n", "t", "f", "z", "o", "a", "missing"].map(read)).toEqual([
      "x",
      -150,
      true,
      false,
      null,
      undefined,
      undefined,
      undefined,
    ]);
    expect(readString(bytes, members.get("n"))).toBeUndefined();
  });

  it("decodes strings as Go does: escapes, pairs, and U+FFFD for what is not Unicode", () => {
    const { bytes, members } = scan(
      String.raw`{"a":"\u00e9\n\ud83d\ude00\/","b":"\ud800x","c":"你好","d":"${"\uFEFF"}x","e":"${"long ".repeat(20)}"}`,
    );
    expect(["a", "b", "c", "d", "e"].map((key) => readString(bytes, members.get(key)))).toEqual([
      "é\n😀/",
      "\uFFFDx",
      "你好",
      "\uFEFFx",
      "long ".repeat(20),
    ]);
    const broken = scanBody(new Uint8Array([...bytesOf('{"a":"x'), 0xff, ...bytesOf('"}')]));
    expect(broken.ok && readString(broken.body.bytes, broken.body.members.get("a"))).toBe("x\uFFFD");
  });

  it("finds keys that are written with escapes", () => {
    expect([...scan(String.raw`{"\u006dodel":"m","stre\u0061m":true,"a\"b":1}`).members.keys()]).toEqual([
      "model",
      "stream",
      'a"b',
    ]);
  });

  it("keeps keys that are dangerous as property names apart", () => {
    expect([...scan('{"__proto__":1,"constructor":2}').members.keys()]).toEqual(["__proto__", "constructor"]);
  });
});

describe("ambiguous bodies [T12]", () => {
  it.each([
    ['{"model":"a","model":"b"}', "repeats"],
    [String.raw`{"model":"a","mode\u006c":"b"}`, "repeats once decoded"],
    ['{"model":"allowed","MODEL":"secret"}', "folds to a key that is there"],
    ['{"MODEL":"secret"}', "folds to a known key"],
    ['{"\u212Aeep_alive":0}', "has a Kelvin sign"],
    [String.raw`{"\u212Aeep_alive":0}`, "has an escaped Kelvin sign"],
    ['{"option\u017F":{}}', "has a long s"],
    ['{"unknown_x":1,"Unknown_X":2}', "repeats an unknown key in other case"],
    ['{"options":{"num_ctx":1,"num_ctx":2}}', "repeats inside options"],
    ['{"options":{"Num_Ctx":1}}', "folds inside options"],
    [String.raw`{"\ud800":1}`, "has half a surrogate pair"],
    [String.raw`{"options":{"\udc00":1}}`, "has half a surrogate pair inside options"],
  ])("%s: a key %s", (text) => {
    expect(refusalOf(text)).toBe("ambiguous");
  });

  it("a key that is not UTF-8", () => {
    expect(refusalOf(new Uint8Array([...bytesOf('{"model'), 0xff, ...bytesOf('":1}')]))).toBe("ambiguous");
    expect(refusalOf(new Uint8Array([...bytesOf('{"options":{"'), 0xc3, ...bytesOf('":1}}')]))).toBe("ambiguous");
  });

  it.each([
    '{"model":"m","options":{"model":"n","seed":1},"seed":2}',
    '{"messages":[{"role":"user","Role":"x"}],"tools":[{"a":1,"A":2}]}',
    '{"customKey":1,"Ключ":2,"mödel":3}',
    '{"format":{"properties":{"Model":{},"model":{}}}}',
  ])("are not those: %s", (text) => {
    expect(refusalOf(text)).toBe("ok");
  });
});

describe("refused bodies", () => {
  it.each([
    ["{}x", "trailing"],
    ["{} {}", "trailing"],
    ["{}\0", "trailing"],
    ["{} \r\n\t", "ok"],
    ["null", "ok"],
    [" null\n", "ok"],
    ["null {}", "trailing"],
    ['"text" and more', "not_object"],
    ["[1]", "not_object"],
    ["", "syntax"],
    ["  ", "syntax"],
    ['{"a":', "syntax"],
  ])("%j is %s", (text, code) => {
    expect(refusalOf(text)).toBe(code);
  });

  it("name the JSON type of what is no object", () => {
    for (const [text, jsonType] of [
      ["1", "number"],
      ["[]", "array"],
      ["true", "boolean"],
      ['""', "string"],
    ] as const) {
      expect(scanBody(bytesOf(text))).toMatchObject({ ok: false, error: { code: "not_object", jsonType } });
    }
  });

  it("do not repeat a key's control characters raw in the message", () => {
    expect(scanBody(bytesOf(String.raw`{"a\r\nb":1,"a\r\nb":2}`))).toMatchObject({
      error: { message: String.raw`key "a\r\nb" repeats` },
    });
  });
});

describe("limits [T21]", () => {
  const nested = (depth: number): string => `{"a":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
  const keys = (count: number): string => `{${Array.from({ length: count }, (_, index) => `"k${index}":0`).join(",")}}`;
  const elements = (count: number): string => `{"context":[${"1,".repeat(count - 1)}1]}`;
  const messages = (count: number): string => `{"messages":[${Array.from({ length: count }, () => "{}").join(",")}]}`;

  it.each([
    ["depth", nested(SCAN_LIMITS.maxDepth), nested(SCAN_LIMITS.maxDepth + 1)],
    ["keys", keys(SCAN_LIMITS.maxKeys), keys(SCAN_LIMITS.maxKeys + 1)],
    ["elements", elements(SCAN_LIMITS.maxElements), elements(SCAN_LIMITS.maxElements + 1)],
    ["messages", messages(SCAN_LIMITS.maxMessages), messages(SCAN_LIMITS.maxMessages + 1)],
  ])("of %s hold to the last one", (_, allowed, tooMuch) => {
    expect(refusalOf(allowed)).toBe("ok");
    expect(refusalOf(tooMuch)).toBe("limit");
  });

  it("stop before the rest is read", () => {
    expect(refusalOf(`{"a":${"[".repeat(1_000_000)}`)).toBe("limit");
    expect(refusalOf(`{"a":[${"[],".repeat(100)}[]]}`)).toBe("ok");
  });

  it("count keys at every depth, and can be set", () => {
    const limits = { maxDepth: 3, maxKeys: 3, maxMessages: 1, maxElements: 3 };
    expect(refusalOf('{"a":[{"b":1},{"c":1}]}', limits)).toBe("ok");
    expect(refusalOf('{"a":[{"b":1},{"c":1,"d":1}]}', limits)).toBe("limit");
    expect(refusalOf('{"a":[[[]]]}', limits)).toBe("limit");
    expect(refusalOf('{"messages":[1,2]}', limits)).toBe("limit");
    expect(refusalOf('{"a":[1],"b":[2,3]}', limits)).toBe("ok");
    expect(refusalOf('{"a":[1,4],"b":[2,3]}', limits)).toBe("limit");
  });
});

describe("properties", () => {
  const json = fc.jsonValue({ maxDepth: 5, noUnicodeString: false });
  const key = fc.oneof(
    fc.string({ unit: "binary", maxLength: 12 }),
    fc.constantFrom("model", "messages", "options", "__proto__", 'q"\\'),
  );
  // Folded keys are distinct, so that nothing here is ambiguous.
  const body = fc
    .uniqueArray(fc.tuple(key, json), {
      selector: ([name]) => name.toLowerCase().replaceAll("\u017F", "s"),
      maxLength: 8,
    })
    .filter((entries) => entries.every(([name]) => name.isWellFormed()))
    .map((entries) => entries.filter(([name]) => name !== "options"));
  const spaces = fc.constantFrom(undefined, 1, "\t");

  it("whatever JSON.stringify writes is scanned, and each span parses to its member", () => {
    fc.assert(
      fc.property(body, spaces, (entries, indent) => {
        const text = JSON.stringify(Object.fromEntries(entries), null, indent);
        expect(parsedMembers(scan(text))).toEqual(JSON.parse(text));
      }),
      { seed: 1, numRuns: 1_000 },
    );
  });

  it("long strings are scanned wherever they start and whatever ends them", () => {
    const piece = fc.constantFrom(
      '\\"',
      "\\\\",
      "\\n",
      "\\u0022",
      "é",
      "你",
      "{",
      "]",
      " ",
      "a".repeat(61),
      "b".repeat(64),
      "c".repeat(259),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), fc.nat({ max: 9 }), (pieces, shift) => {
        const text = `${" ".repeat(shift)}{"a":"${pieces.join("")}","b":["${pieces.join("")}"]}`;
        expect(parsedMembers(scan(text))).toEqual(JSON.parse(text));
      }),
      { seed: 2, numRuns: 500 },
    );
  });

  it("a control byte anywhere in a long string is found", () => {
    const text = `{"a":"${"x".repeat(400)}"}`;
    for (let at = 6; at < 406; at++) {
      for (const [byte, verdict] of [
        [0x1f, "syntax"],
        [0x00, "syntax"],
        [0x20, "ok"],
        [0x7f, "ok"],
        [0x80, "ok"],
        [0xff, "ok"],
        [0x22, "syntax"],
      ] as const) {
        const bytes = bytesOf(text);
        bytes[at] = byte;
        expect({ at, byte, verdict: refusalOf(bytes) }).toEqual({ at, byte, verdict });
      }
    }
  });

  it("what passes is what JSON.parse reads, member by member, whichever bytes were changed", () => {
    const change = fc.tuple(fc.nat(), fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(...bytesOf('{}[]",:\\ 0-eEtn'))));
    let passed = 0;
    fc.assert(
      fc.property(body, fc.array(change, { minLength: 1, maxLength: 3 }), (entries, changes) => {
        const bytes = bytesOf(JSON.stringify(Object.fromEntries(entries)));
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        const scanned = scanBody(bytes);
        if (!scanned.ok) return;
        passed++;
        // Invalid UTF-8 inside a value becomes U+FFFD on both sides, by the same decoder; lone surrogate escapes stay as they are.
        const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
        expect(parsedMembers(scanned.body)).toEqual(JSON.parse(text));
      }),
      { seed: 3, numRuns: 3_000 },
    );
    expect(passed).toBeGreaterThan(300);
  });

  it("what fails as syntax is what JSON.parse refuses too", () => {
    const change = fc.tuple(fc.nat(), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(body, change, (entries, [at, byte]) => {
        const bytes = bytesOf(JSON.stringify(Object.fromEntries(entries)));
        bytes[at % bytes.length] = byte;
        if (refusalOf(bytes) !== "syntax") return;
        const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
        expect(() => JSON.parse(text)).toThrow(SyntaxError);
      }),
      { seed: 4, numRuns: 2_000 },
    );
  });
});
