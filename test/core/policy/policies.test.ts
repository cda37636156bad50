// Every policy of the table against the contract.
import { expect, it } from "vitest";
import { POLICIES } from "../../../src/core/policy/table.ts";
import { FleetDriver, MODEL, OTHER, aModel, grantIn } from "../builders.ts";
import { policyContract } from "./policy.case.ts";

for (const policy of Object.values(POLICIES)) policyContract(policy);

it("lists each policy under its own name", () => {
  for (const [name, policy] of Object.entries(POLICIES)) expect(policy.name).toBe(name);
});

it("gives a model the policy of its own, and all others the fleet's", () => {
  const policyOf = (model: string) => (model === MODEL ? ("round_robin" as const) : undefined);
  const driver = new FleetDriver({ policy: "random", policyOf });
  driver.at(6_000);
  driver.join("a", { models: [aModel(MODEL), aModel(OTHER)] });
  expect(grantIn(driver.acquire("1")).decision.policy).toBe("round_robin");
  expect(grantIn(driver.acquire("2", { model: OTHER })).decision.policy).toBe("random");
});
