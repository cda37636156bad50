// MODEL_POLICY and HOST_TIERS as the fleet asks them: by canonical key and by host id, the first pattern that fits.
import { describe, expect, it } from "vitest";
import { rememberPolicies, tiersOf } from "../../src/cell/choosing.ts";
import { POLICY_NAMES, readSettings } from "../../src/wire/settings.ts";
import type { Settings } from "../../src/wire/settings.ts";

function settingsOf(env: Record<string, string>): Settings {
  const settings = readSettings(env);
  if (!settings.ok) throw new Error(settings.error);
  return settings.value;
}

describe("MODEL_POLICY", () => {
  it("gives models that fit a pattern its policy, whichever it is, and no other model one", () => {
    for (const name of POLICY_NAMES) {
      const policyOf = rememberPolicies(settingsOf({ MODEL_POLICY: `special*=${name}` }));
      expect(policyOf("registry.ollama.ai/library/special:latest")).toBe(name);
      expect(policyOf("registry.ollama.ai/library/m:latest")).toBeUndefined();
    }
  });

  it("goes by the first pattern that fits, also when asked again", () => {
    const policyOf = rememberPolicies(settingsOf({ MODEL_POLICY: "llama3:8b=sticky,llama*=random" }));
    for (let time = 0; time < 2; time += 1) {
      expect(policyOf("registry.ollama.ai/library/llama3:8b")).toBe("sticky");
      expect(policyOf("registry.ollama.ai/library/llama3:70b")).toBe("random");
    }
  });
});

describe("HOST_TIERS", () => {
  it("puts hosts that no pattern names first", () => {
    const tierOf = tiersOf(settingsOf({ HOST_TIERS: "spare*=2,old=1" }));
    expect(["a", "old", "spare-1"].map(tierOf)).toEqual([0, 1, 2]);
  });
});
