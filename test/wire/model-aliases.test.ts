// Other names for models, as the variable spells them.
import { expect, it } from "vitest";
import { parseModelAliases } from "../../src/wire/model-aliases.ts";
import { readSettings } from "../../src/wire/settings.ts";

it("reads pairs, however they are spaced, by the name's canonical key", () => {
  const parsed = parseModelAliases(" gpt-4o-mini = llama3.2:3b, GPT-4=hf.co/Me/Repo:Q4 ,");
  const aliases = parsed.ok ? [...parsed.value] : [];
  expect(aliases.map(([key, { display, spelled, target }]) => [key, display, spelled, target.canonical])).toEqual([
    [
      "registry.ollama.ai/library/gpt-4o-mini:latest",
      "gpt-4o-mini",
      "llama3.2:3b",
      "registry.ollama.ai/library/llama3.2:3b",
    ],
    ["registry.ollama.ai/library/gpt-4:latest", "GPT-4", "hf.co/Me/Repo:Q4", "hf.co/me/repo:q4"],
  ]);
  expect(parseModelAliases("")).toEqual({ ok: true, value: new Map() });
});

it.each([
  ["gpt-4", /expected OTHER=MODEL/],
  ["a=b=c", /expected OTHER=MODEL/],
  ["=b", /model is required/],
  ["a/b/c/d/e=b", /invalid model name/],
  ["a=b,A:latest=c", /twice/],
  ["a=b,b=c", /itself another name/],
])("refuses %s with the name of the variable", (text, reason) => {
  const read = readSettings({ MODEL_ALIASES: text });
  expect(read.ok ? "" : read.error).toMatch(/^MODEL_ALIASES: /);
  expect(read.ok ? "" : read.error).toMatch(reason);
});
