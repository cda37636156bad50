// Values that are well formed and would still break a Hive. Found here, before anything runs or is deployed; the Worker itself
// checks only what it must, for each rule makes its cold start longer.
import { formatDuration } from "../wire/duration.ts";
import type { Settings } from "../wire/settings.ts";

/** Timers that are longer go off at once, in Node and in workerd. */
const TIMER_MAX_MS = 24 * 86_400_000;
const HEARTBEAT_MIN_MS = 100;

const DURATIONS = [
  "TIMEOUT",
  "QUEUE_TIMEOUT",
  "HEARTBEAT_INTERVAL",
  "REQUEST_LIMIT",
  "EARLY_COMMIT",
  "KEEP_ALIVE",
  "STALL_LIMIT",
  "ABANDON_LOADS",
  "SCALE_WAIT",
  "SCALE_WINDOW",
  "SCALE_COOLDOWN",
  "SCALER_DEADLINE",
] as const satisfies readonly (keyof Settings)[];

interface Rule {
  readonly name: keyof Settings;
  readonly holds: (settings: Settings) => boolean;
  readonly expected: string;
}

const RULES: readonly Rule[] = [
  ...DURATIONS.map((name) => ({
    name,
    holds: (settings: Settings) => (settings[name] ?? 0) <= TIMER_MAX_MS,
    expected: `at most ${formatDuration(TIMER_MAX_MS)}`,
  })),
  { name: "TIMEOUT", holds: ({ TIMEOUT }) => TIMEOUT > 0, expected: "more than nothing" },
  {
    name: "HEARTBEAT_INTERVAL",
    holds: ({ HEARTBEAT_INTERVAL }) => HEARTBEAT_INTERVAL >= HEARTBEAT_MIN_MS,
    expected: `at least ${formatDuration(HEARTBEAT_MIN_MS)}`,
  },
  { name: "MAX_BODY", holds: ({ MAX_BODY }) => MAX_BODY > 0, expected: "more than nothing" },
  {
    name: "MIN_INSTANCES",
    holds: ({ MIN_INSTANCES, MAX_INSTANCES }) => MIN_INSTANCES <= MAX_INSTANCES,
    expected: "no more than MAX_INSTANCES",
  },
  {
    name: "CONTEXT_SIZES",
    holds: ({ CONTEXT_SIZES }) => CONTEXT_SIZES.every((tokens) => tokens > 0),
    expected: "numbers from 1 on",
  },
  {
    name: "SCALER_URL",
    holds: ({ SCALER_URL }) => ["", "poll"].includes(SCALER_URL) || URL.canParse(SCALER_URL),
    expected: "an http or https URL, or poll",
  },
  {
    name: "HOST_DOMAINS",
    holds: ({ HOST_DOMAINS }) => HOST_DOMAINS.every((suffix) => /^\.?[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(suffix)),
    expected: "suffixes of hostnames such as hosts.example.com, without scheme or wildcard",
  },
  {
    name: "ALLOWED_ORIGINS",
    holds: ({ ALLOWED_ORIGINS }) => ALLOWED_ORIGINS.every(isOrigin),
    expected: "origins such as https://app.example.com, without path or wildcard, or * alone",
  },
];

/** The first variable that cannot be meant, in one line that says what is expected; undefined where all can. */
export function whyUnusable(settings: Settings): string | undefined {
  const broken = RULES.find(({ holds }) => !holds(settings));
  return broken === undefined ? undefined : `${broken.name}: expected ${broken.expected}`;
}

function isOrigin(text: string): boolean {
  return text === "*" || /^[a-z][a-z0-9+.-]*:\/\/[^\s/*]*$/.test(text);
}
