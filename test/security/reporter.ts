// A vitest reporter that prints the table of threats after a run, and fails the run when a row has failed or has no test.
import type { Reporter, TestModule, Vitest } from "vitest/node";
import { ROWS } from "./rows.ts";
import { describeTally, tally, unknownIds } from "./tally.ts";
import type { AttackTest } from "./tally.ts";

const VALUED: ReadonlySet<string> = new Set(["--config", "-t", "--testNamePattern", "--reporter", "--project"]);

export default class ThreatTable implements Reporter {
  #isPart = false;
  #isWhole = false;

  /** A run of some files or projects alone says nothing about the rows that others attack. */
  onInit({ config }: Vitest): void {
    this.#isPart = config.project.length > 0 || namesFiles(process.argv);
    this.#isWhole = config.testNamePattern === undefined;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    if (this.#isPart) return;
    const tests = modules.flatMap((module) => [...module.children.allTests()].map(toAttack));
    const verdicts = tally(ROWS, tests);
    const unknown = unknownIds(ROWS, tests);
    process.stdout.write(`\n${describeTally(verdicts, this.#isWhole)}\n`);
    if (unknown.length > 0)
      process.stdout.write(`titles name threats that are not in the table: ${unknown.join(", ")}\n`);
    if (unknown.length > 0 || verdicts.some(({ passed }) => !passed)) process.exitCode = 1;
    if (this.#isWhole) process.stdout.write(describeFailures(modules));
  }
}

type Test = ReturnType<TestModule["children"]["allTests"]> extends Iterable<infer Each> ? Each : never;

function toAttack(test: Test): AttackTest {
  const path = [test.name];
  for (let { parent } = test; parent.type === "suite"; parent = parent.parent) path.unshift(parent.name);
  return { path, state: test.result().state };
}

/** What failed, once more as the last words of a long run: whoever reads only its end must find it there. */
function describeFailures(modules: readonly TestModule[]): string {
  const ofFiles = modules.flatMap((module) =>
    module.errors().map(({ message }) => `  ${module.relativeModuleId}\n      ${message}`),
  );
  const ofTests = modules.flatMap((module) =>
    [...module.children.allTests("failed")].map(
      (test) =>
        `  ${module.relativeModuleId} > ${test.fullName}\n      ${(test.result().errors ?? []).map(({ message }) => message).join("\n      ")}`,
    ),
  );
  const failures = [...ofFiles, ...ofTests];
  return failures.length === 0 ? "" : `\n${String(failures.length)} failed:\n${failures.join("\n")}\n`;
}

/** Whether the command line names files: words that are no flag and no flag's value. */
function namesFiles(argv: readonly string[]): boolean {
  const words = argv.slice(argv.indexOf("run") + 1);
  return words.some((word, index) => !word.startsWith("-") && !VALUED.has(words[index - 1] ?? ""));
}
