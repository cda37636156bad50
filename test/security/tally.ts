// Which threats are attacked by which tests, and how that went.
import type { Row } from "./rows.ts";

export interface AttackTest {
  /** Titles of the suites around the test, then its own. */
  readonly path: readonly string[];
  readonly state: "passed" | "failed" | "skipped" | "pending";
}

export interface Verdict extends Row {
  readonly passed: boolean;
  /** What attacks the row, with how many tests; the tagged title, without its tag. */
  readonly attacks: ReadonlyMap<string, number>;
  readonly failures: readonly string[];
}

const TAG = /\s*\[(T\d{1,2}(?: T\d{1,2})*)\]/;

/** Judges each row: it passes when at least one test attacks it and all that do have passed. */
export function tally(rows: readonly Row[], tests: readonly AttackTest[]): Verdict[] {
  const tagged = tests.flatMap((test) =>
    test.path.flatMap((title, depth) => {
      const ids = TAG.exec(title)?.[1]?.split(" ") ?? [];
      return ids.length === 0
        ? []
        : [
            {
              test,
              ids,
              name: test.path
                .slice(0, depth + 1)
                .map(untagged)
                .join(" "),
            },
          ];
    }),
  );
  return rows.map((row) => {
    const own = tagged.filter(({ ids, test }) => ids.includes(row.id) && test.state !== "skipped");
    const attacks = new Map<string, number>();
    for (const { name } of own) attacks.set(name, (attacks.get(name) ?? 0) + 1);
    const failures = own.filter(({ test }) => test.state !== "passed").map(({ test }) => test.path.join(" > "));
    return { ...row, passed: own.length > 0 && failures.length === 0, attacks, failures };
  });
}

/** Ids in titles that no row has: a typing error would otherwise hide an attack. */
export function unknownIds(rows: readonly Row[], tests: readonly AttackTest[]): string[] {
  const known = new Set(rows.map(({ id }) => id));
  const used = tests.flatMap(({ path }) => path.flatMap((title) => TAG.exec(title)?.[1]?.split(" ") ?? []));
  return [...new Set(used)].filter((id) => !known.has(id));
}

/** The table as text: a line per threat, and under it what attacks it unless `brief`. */
export function describeTally(verdicts: readonly Verdict[], brief = false): string {
  const lines = verdicts.flatMap(({ id, attack, passed, attacks, failures }) => [
    `${id.padEnd(4)}${passed ? "pass" : "FAIL"}  ${attack}`,
    ...(brief
      ? []
      : [...attacks].map(([name, count]) => `            ${name}${count > 1 ? ` (${String(count)} tests)` : ""}`)),
    ...(attacks.size === 0 ? ["            no test attacks this"] : []),
    ...failures.map((name) => `      failed: ${name}`),
  ]);
  const passed = verdicts.filter((verdict) => verdict.passed).length;
  return [...lines, `${String(passed)} of ${String(verdicts.length)} threats are attacked and withstood`].join("\n");
}

function untagged(title: string): string {
  return title.replace(TAG, "");
}
