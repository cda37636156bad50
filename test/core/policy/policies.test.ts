// Every policy of the table against the contract.
import { expect, it } from "vitest";
import { POLICIES } from "../../../src/core/policy/table.ts";
import { policyContract } from "./policy.case.ts";

for (const policy of Object.values(POLICIES)) policyContract(policy);

it("lists each policy under its own name", () => {
  for (const [name, policy] of Object.entries(POLICIES)) expect(policy.name).toBe(name);
});
