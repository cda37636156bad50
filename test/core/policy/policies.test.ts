// Every policy of the table against the contract.
import { expect, it } from "vitest";
import { POLICIES } from "../../../src/core/policy/table.ts";
import { POLICY_NAMES, readSettings } from "../../../src/wire/settings.ts";
import { FleetDriver, MODEL, OTHER, aModel, grantIn } from "../builders.ts";
import { policyContract } from "./policy.case.ts";

for (const policy of Object.values(POLICIES)) policyContract(policy);

it("lists each policy under its own name", () => {
  for (const [name, policy] of Object.entries(POLICIES)) expect(policy.name).toBe(name);
});

it("is every name that LOAD_BALANCING_STRATEGY and MODEL_POLICY take", () => {
  expect(Object.keys(POLICIES).sort()).toEqual([...POLICY_NAMES].sort());
  for (const name of POLICY_NAMES) {
    const settings = readSettings({ LOAD_BALANCING_STRATEGY: name, MODEL_POLICY: `special*=${name}` });
    const expected = { LOAD_BALANCING_STRATEGY: name, MODEL_POLICY: [{ glob: "special*", value: name }] };
    expect(settings).toMatchObject({ ok: true, value: expected });
  }
});

it("decides under each name, for the fleet and for a model alone", () => {
  for (const name of POLICY_NAMES) {
    const other = name === "random" ? "round_robin" : "random";
    const driver = new FleetDriver({ policy: name, policyOf: (model) => (model === OTHER ? other : undefined) });
    driver.at(6_000);
    driver.join("a", { models: [aModel(MODEL), aModel(OTHER)] });
    expect(grantIn(driver.acquire("1")).decision).toMatchObject({ policy: name, chosen: "a" });
    expect(grantIn(driver.acquire("2", { model: OTHER })).decision).toMatchObject({ policy: other, chosen: "a" });
  }
});

it("gives a model the policy of its own, and all others the fleet's", () => {
  const policyOf = (model: string) => (model === MODEL ? ("round_robin" as const) : undefined);
  const driver = new FleetDriver({ policy: "random", policyOf });
  driver.at(6_000);
  driver.join("a", { models: [aModel(MODEL), aModel(OTHER)] });
  expect(grantIn(driver.acquire("1")).decision.policy).toBe("round_robin");
  expect(grantIn(driver.acquire("2", { model: OTHER })).decision.policy).toBe("random");
});
