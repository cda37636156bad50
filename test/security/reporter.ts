// A vitest reporter that prints the table of threats after a run, and fails the run when a row has failed or has no test.
import type { Reporter, TestModule } from "vitest/node";
import { ROWS } from "./rows.ts";
import { describeTally, tally, unknownIds } from "./tally.ts";
import type { AttackTest } from "./tally.ts";

export default class ThreatTable implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()].map(toAttack));
    const verdicts = tally(ROWS, tests);
    const unknown = unknownIds(ROWS, tests);
    process.stdout.write(`\n${describeTally(verdicts)}\n`);
    if (unknown.length > 0)
      process.stdout.write(`titles name threats that are not in the table: ${unknown.join(", ")}\n`);
    if (unknown.length > 0 || verdicts.some(({ passed }) => !passed)) process.exitCode = 1;
  }
}

type Test = ReturnType<TestModule["children"]["allTests"]> extends Iterable<infer Each> ? Each : never;

function toAttack(test: Test): AttackTest {
  const path = [test.name];
  for (let { parent } = test; parent.type === "suite"; parent = parent.parent) path.unshift(parent.name);
  return { path, state: test.result().state };
}
