// What a simulation measured, as plain data.

/** What became of one request, as its client saw it. */
export interface Observation {
  readonly id: string;
  /** When its client asked. */
  readonly at: number;
  readonly tenant: string;
  readonly model: string;
  readonly hostId: string;
  readonly ttftMs: number;
  readonly completionMs: number;
  /** Until the router sent it to a host. */
  readonly queuedMs: number;
  /** Waiting for the model inside the host. */
  readonly loadMs: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** Uncached prompt and answer at the speed of the reference host, so that fast hosts cost no less. */
  readonly gpuSeconds: number;
}

export interface Spread {
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export interface Metrics {
  readonly served: number;
  /** Requests refused, by code. */
  readonly refused: Readonly<Record<string, number>>;
  /** Answers that broke off after their first token. */
  readonly broken: number;
  /** Clients that gave up. */
  readonly left: number;
  /** Requests without an end when the simulation stopped. */
  readonly unfinished: number;
  readonly ttftMs: Spread;
  readonly completionMs: Spread;
  /** Time in the router's own queue, of the requests served. */
  readonly queuedMs: Spread;
  readonly loadsPerHour: number;
  /** Prompt tokens that needed no reading, of 100. */
  readonly hitPercent: number;
  /** Jain's index over tenants' GPU-seconds: 1 if all got the same, 1/n if one got all. */
  readonly jain: number;
  readonly servedByHost: Readonly<Record<string, number>>;
}

/** Mean and percentiles (nearest rank); zeros for nothing. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = (percent: number): number => sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0;
  return { mean: sum(sorted) / Math.max(1, sorted.length), p50: rank(50), p95: rank(95), p99: rank(99) };
}

/** Jain's fairness index of shares; 1 for none. */
export function jainIndex(shares: readonly number[]): number {
  const squares = sum(shares.map((share) => share ** 2));
  return squares === 0 ? 1 : sum(shares) ** 2 / (shares.length * squares);
}

/** Sums up all observations of a run. */
export function measure(
  observations: readonly Observation[],
  rest: Pick<Metrics, "refused" | "broken" | "left" | "unfinished" | "loadsPerHour">,
): Metrics {
  const perTenant = new Map<string, number>();
  const servedByHost: Record<string, number> = {};
  for (const { tenant, hostId, gpuSeconds } of observations) {
    perTenant.set(tenant, (perTenant.get(tenant) ?? 0) + gpuSeconds);
    servedByHost[hostId] = (servedByHost[hostId] ?? 0) + 1;
  }
  const read = sum(observations.map(({ promptTokens }) => promptTokens));
  const cached = sum(observations.map(({ cachedTokens }) => cachedTokens));
  return {
    ...rest,
    served: observations.length,
    ttftMs: spreadOf(observations.map(({ ttftMs }) => ttftMs)),
    completionMs: spreadOf(observations.map(({ completionMs }) => completionMs)),
    queuedMs: spreadOf(observations.map(({ queuedMs }) => queuedMs)),
    hitPercent: read === 0 ? 0 : (100 * cached) / read,
    jain: jainIndex([...perTenant.values()]),
    servedByHost,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
