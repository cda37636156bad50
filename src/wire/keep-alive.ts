// `keep_alive` as Go reads it: edge and agent must agree on when it means "not at all".

/** Go's durations of nothing: `0`, `0s`, `0h0m`, `-0.0s`. */
const NO_TIME = /^[+-]?(?:0+(?:\.0*)?(?:ns|us|µs|ms|s|m|h)?){1,4}$/;
/** A long text of zeros must not cost time. */
const DURATION_MAX_LENGTH = 16;
const NS_PER_S = 1e9;

/** Whether a value of `keep_alive` is no time at all: a number of seconds below a nanosecond, or text such as `0s` and `0h0m`. */
export function isZeroDuration(value: unknown): boolean {
  if (typeof value === "number") return value >= 0 && value * NS_PER_S < 1;
  return typeof value === "string" && value.length <= DURATION_MAX_LENGTH && NO_TIME.test(value);
}
