// What the edge tells the cell of a prompt: its size, and hashes that the next turn of a conversation shares.
import { describe, expect, it } from "vitest";
import { hashPrompt, readPrompt, tenantKey } from "../../src/edge/body/prompt.ts";
import { scanBody } from "../../src/wire/json-scan.ts";

const KEY = [0x01234567, 0x89abcdef] as const;
const MODEL = "registry.ollama.ai/library/m:latest";
const WORDS = "the quick brown fox jumps over the lazy dog ".repeat(30);

interface Options {
  key?: readonly [number, number];
  model?: string;
}

function prefixOf(body: object, { key = KEY, model = MODEL }: Options = {}) {
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  const scanned = scanBody(bytes);
  if (!scanned.ok) throw new Error(scanned.error.message);
  return hashPrompt(key, model, readPrompt(scanned.body), bytes);
}

function shared(a: readonly number[], b: readonly number[]): number {
  let count = 0;
  while (count < a.length && a[count] === b[count]) count += 1;
  return count;
}

const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });

describe("prefix hashes", () => {
  it("are at the ends of blocks of 1 KiB and of messages, and of 52 bits", () => {
    const { hashes, ends } = prefixOf({ messages: [user(WORDS), user("and?")] });
    expect(ends).toEqual([1_024, WORDS.length, WORDS.length + 4]);
    expect(hashes).toHaveLength(3);
    for (const hash of hashes) expect(Number.isSafeInteger(hash) && hash >= 0 && hash < 2 ** 52).toBe(true);
  });

  it("of one turn are all shared by the next, for each way of writing it down", () => {
    const turns = [
      [{ messages: [user(WORDS)] }, { messages: [user(WORDS), assistant("yes"), user("why?")] }],
      [
        { system: WORDS, messages: [{ role: "user", content: [{ type: "text", text: WORDS }] }] },
        {
          system: WORDS,
          messages: [{ role: "user", content: [{ type: "text", text: WORDS }] }, assistant("a"), user("b")],
        },
      ],
      [
        { instructions: "be brief", input: [user(WORDS)] },
        { instructions: "be brief", input: [user(WORDS), assistant("a"), user("b")] },
      ],
      [
        { tools: [{ type: "function", function: { name: "f" } }], messages: [user(WORDS)] },
        { tools: [{ type: "function", function: { name: "f" } }], messages: [user(WORDS), assistant("x")] },
      ],
    ] as const;
    for (const [first, second] of turns) {
      const [one, two] = [prefixOf(first), prefixOf(second)];
      expect(shared(one.hashes, two.hashes)).toBe(one.hashes.length);
      expect(two.hashes.length).toBeGreaterThan(one.hashes.length);
    }
  });

  it("are still shared when a prompt has grown so long that its blocks are larger", () => {
    const messages = Array.from({ length: 200 }, (_, index) => user(`${index} ${WORDS}`));
    const short = prefixOf({ messages: messages.slice(0, 60) });
    const long = prefixOf({ messages });
    expect(long.hashes.length).toBeLessThanOrEqual(128);
    const known = new Map(short.hashes.map((hash, index) => [hash, short.ends[index] ?? 0]));
    const deepest = Math.max(...long.hashes.map((hash) => known.get(hash) ?? 0));
    expect(deepest).toBeGreaterThan(0.9 * (short.ends.at(-1) ?? 0));
  });

  it("differ from the first changed byte on", () => {
    const one = prefixOf({ messages: [user(WORDS), assistant(WORDS)] });
    const two = prefixOf({ messages: [user(WORDS), assistant(`!${WORDS}`)] });
    expect(shared(one.hashes, two.hashes)).toBe(2);
    expect(new Set([...one.hashes.slice(2), ...two.hashes.slice(2)]).size).toBe(
      one.hashes.length + two.hashes.length - 4,
    );
  });

  it("are another tenant's, another model's or another secret's in nothing [T20]", () => {
    const body = { messages: [user(WORDS)] };
    const others = [
      prefixOf(body, { key: tenantKey(KEY, "a") }),
      prefixOf(body, { key: tenantKey(KEY, "b") }),
      prefixOf(body, { key: tenantKey([1, 2], "a") }),
      prefixOf(body, { model: "registry.ollama.ai/library/n:latest" }),
      prefixOf(body),
    ];
    const hashes = others.flatMap((prefix) => prefix.hashes);
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  it("tell the same text in another place or another role apart", () => {
    const bodies = [
      { messages: [user("ab"), user("c")] },
      { messages: [user("a"), user("bc")] },
      { messages: [assistant("ab"), user("c")] },
      { system: "ab", prompt: "c" },
      { prompt: "abc" },
    ];
    const last = bodies.map((body) => prefixOf(body).hashes.at(-1));
    expect(new Set(last).size).toBe(bodies.length);
  });

  it("tell images apart by both their ends, and count them as the tokens they become", () => {
    const image = (data: string) => ({ messages: [{ ...user("look"), images: [data] }] });
    const long = "A".repeat(50_000);
    const hashes = [`B${long}`, `${long}B`, long].map((data) => prefixOf(image(data)).hashes.at(-1));
    expect(new Set(hashes).size).toBe(3);
    const { ends } = prefixOf(image(long));
    expect(ends.at(-1)).toBe(2_400 + 4);
  });

  it("of a body at the limit are no more than of any other", () => {
    const { hashes } = prefixOf({ messages: Array.from({ length: 1_000 }, () => user(WORDS.repeat(20))) });
    expect(hashes.length).toBeGreaterThan(10);
    expect(hashes.length).toBeLessThanOrEqual(128);
  });
});
