// What `hive doctor` finds: one line for each link of the chain, and what to do about it.

export interface Finding {
  /** Which link was looked at, e.g. `edge` or `host gpu1`. */
  readonly check: string;
  readonly status: "ok" | "warn" | "fail";
  readonly says: string;
  /** What to do; with every warning and failure. */
  readonly fix?: string;
}

/** A link that holds. */
export function ok(check: string, says: string): Finding {
  return { check, status: "ok", says };
}

/** Something that works and should not stay so. */
export function warn(check: string, says: string, fix: string): Finding {
  return { check, status: "warn", says, fix };
}

/** A link that is broken. */
export function fail(check: string, says: string, fix: string): Finding {
  return { check, status: "fail", says, fix };
}
