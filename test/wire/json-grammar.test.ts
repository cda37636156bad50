// The scanner against Go's own verdicts: every recorded body must pass or fail here with the very words Go used.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { BODY_KEYS, foldKey } from "../../src/wire/json-keys.ts";
import { goTypeWord, scanBody } from "../../src/wire/json-scan.ts";

const vectors = z
  .object({
    foldsToAscii: z.record(z.string(), z.string()),
    keys: z.record(z.string(), z.string()),
    bodies: z.record(z.string(), z.string()),
  })
  .parse(JSON.parse(readFileSync(new URL("go-json-vectors.json", import.meta.url), "utf8")));

const bodies = Object.entries(vectors.bodies).flatMap(([error, inputs]) =>
  inputs.split(" ").map((input) => ({ error, body: new Uint8Array(Buffer.from(input, "base64")) })),
);

const NO_LIMITS = { maxDepth: 10_000, maxKeys: Infinity, maxMessages: Infinity, maxElements: Infinity };

/** What Go would say, as far as the scan's answer tells. */
function verdictOf(body: Uint8Array): string {
  const scanned = scanBody(body, NO_LIMITS);
  if (scanned.ok || scanned.error.code === "ambiguous" || scanned.error.code === "trailing") return "";
  const { error } = scanned;
  if (error.code !== "not_object") return error.message;
  return `json: cannot unmarshal ${goTypeWord(error.jsonType)} into Go value of type map[string]json.RawMessage`;
}

describe("scanBody and Go's json.Decoder", () => {
  it("agree on thousands of bodies, good and broken", () => {
    const disagreements = bodies
      .map(({ error, body }) => ({ body: Buffer.from(body).toString("latin1"), go: error, here: verdictOf(body) }))
      .filter(({ go, here }) => go !== here);
    expect(disagreements).toEqual([]);
    expect(bodies.length).toBeGreaterThan(4_000);
    expect(bodies.filter(({ error }) => error === "").length).toBeGreaterThan(100);
  });

  it("agree wherever the body lies in its buffer", () => {
    for (const { error, body } of bodies.filter((_, index) => index % 10 === 0)) {
      for (const offset of [1, 2, 3]) {
        const shifted = new Uint8Array(body.length + 8);
        shifted.fill(0x22);
        shifted.set(body, offset);
        expect(verdictOf(shifted.subarray(offset, offset + body.length))).toBe(error);
      }
    }
  });
});

describe("folding keys as Go does", () => {
  it("takes exactly the two letters beyond ASCII that Go takes", () => {
    const folding: Record<string, string> = {};
    for (let code = 0x80; code <= 0x10ffff; code++) {
      const folded = foldKey(String.fromCodePoint(code));
      if (folded >= "a" && folded <= "z") folding[code.toString(16).toUpperCase().padStart(4, "0")] = folded;
    }
    expect(folding).toEqual(vectors.foldsToAscii);
  });

  it("lets pass only keys that Go and JavaScript take for the same field", () => {
    for (const [input, field] of Object.entries(vectors.keys)) {
      const key = Buffer.from(input, "base64");
      const scanned = scanBody(new Uint8Array(Buffer.concat([Buffer.from('{"'), key, Buffer.from('":1}')])));
      const [spelled = ""] = scanned.ok ? scanned.body.members.keys() : [];
      const name = key.toString("latin1");
      if (scanned.ok) {
        expect({ name, field: KNOWN.has(spelled) ? spelled : "" }).toEqual({
          name,
          field: KNOWN.has(field) ? field : "",
        });
      } else {
        expect({ name, code: scanned.error.code }).toEqual({ name, code: "ambiguous" });
        // Refused for a reason: Go would fill a known field, or the key is not Unicode.
        expect({ name, reason: KNOWN.has(field) || !isUnicode(key) }).toEqual({ name, reason: true });
      }
    }
  });
});

const KNOWN: ReadonlySet<string> = new Set(BODY_KEYS);

function isUnicode(key: Buffer): boolean {
  return key.toString("utf8").isWellFormed() && !key.toString("utf8").includes("\uFFFD") && !key.includes("\\ud800");
}
