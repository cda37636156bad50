// What a Hive costs on Cloudflare's Workers Paid plan: a formula over requests, hosts and cells, with the prices it was written for.

/**
 * developers.cloudflare.com/workers/platform/pricing and /durable-objects/platform/pricing, as of November 2026, USD.
 * Included amounts are per month and account.
 */
export const PRICES = {
  plan: 5,
  workerRequests: { included: 10e6, perMillion: 0.3 },
  workerCpuMs: { included: 30e6, perMillion: 0.02 },
  objectRequests: { included: 1e6, perMillion: 0.15 },
  /** At 128 MB an object, whatever it uses. */
  objectGbSeconds: { included: 400e3, perMillion: 12.5 },
  rowsWritten: { included: 50e6, perMillion: 1 },
} as const;

const MONTH_SECONDS = 30 * 86_400;
const OBJECT_GB = 0.128;
/** Acquire and settle. */
const CELL_CALLS_PER_REQUEST = 2;
/** Allowed for, not measured on Cloudflare: at 1,000 requests/s on two cores, `npm run bench` leaves 2 ms to all processes. */
const CPU_MS_PER_REQUEST = 2;
const CPU_MS_PER_HEARTBEAT = 1;
/** Usage is written for tenant and model each 10 s, at worst once for each request. */
const ROWS_PER_REQUEST = 1;

export interface Load {
  readonly requestsPerMonth: number;
  readonly hosts: number;
  readonly cells: number;
  readonly heartbeatSeconds: number;
}

export interface Cost {
  /** USD per month, by what is billed. */
  readonly parts: Readonly<Record<keyof typeof PRICES, number>>;
  readonly perMonth: number;
  /** USD, everything included. */
  readonly perMillionRequests: number;
  /** USD that one more million costs, once nothing is free any more. */
  readonly nextMillion: number;
}

/** Computes what a load costs. */
export function costOf({ requestsPerMonth, hosts, cells, heartbeatSeconds }: Load): Cost {
  const heartbeats = (hosts * MONTH_SECONDS) / heartbeatSeconds;
  const parts = {
    plan: PRICES.plan,
    workerRequests: priceOf("workerRequests", requestsPerMonth + heartbeats),
    workerCpuMs: priceOf("workerCpuMs", CPU_MS_PER_REQUEST * requestsPerMonth + CPU_MS_PER_HEARTBEAT * heartbeats),
    objectRequests: priceOf("objectRequests", CELL_CALLS_PER_REQUEST * requestsPerMonth + heartbeats),
    // Heartbeats keep every cell awake; the directory sleeps between its readers only in a small Hive, so it counts as awake.
    objectGbSeconds: priceOf("objectGbSeconds", (cells + 1) * OBJECT_GB * MONTH_SECONDS),
    rowsWritten: priceOf("rowsWritten", ROWS_PER_REQUEST * requestsPerMonth),
  };
  const perMonth = Object.values(parts).reduce((sum, part) => sum + part, 0);
  const nextMillion =
    PRICES.workerRequests.perMillion +
    CPU_MS_PER_REQUEST * PRICES.workerCpuMs.perMillion +
    CELL_CALLS_PER_REQUEST * PRICES.objectRequests.perMillion +
    ROWS_PER_REQUEST * PRICES.rowsWritten.perMillion;
  return { parts, perMonth, perMillionRequests: (perMonth * 1e6) / requestsPerMonth, nextMillion };
}

function priceOf(what: Exclude<keyof typeof PRICES, "plan">, amount: number): number {
  const { included, perMillion } = PRICES[what];
  return (Math.max(0, amount - included) * perMillion) / 1e6;
}

const ROWS: readonly Load[] = [
  { requestsPerMonth: 1e6, hosts: 2, cells: 1, heartbeatSeconds: 5 },
  { requestsPerMonth: 10e6, hosts: 20, cells: 1, heartbeatSeconds: 5 },
  { requestsPerMonth: 100e6, hosts: 200, cells: 1, heartbeatSeconds: 5 },
  { requestsPerMonth: 1_000e6, hosts: 2_000, cells: 10, heartbeatSeconds: 5 },
  { requestsPerMonth: 5_000e6, hosts: 10_000, cells: 64, heartbeatSeconds: 5 },
];

/** The table of the README, in Markdown. */
export function costTable(): string {
  const usd = (amount: number): string => `$${amount.toFixed(2)}`;
  const rows = ROWS.map((load) => {
    const { parts, perMonth, perMillionRequests } = costOf(load);
    const cells = [
      `${load.requestsPerMonth / 1e6} M`,
      load.hosts.toLocaleString("en-US"),
      `${load.cells}`,
      usd(parts.workerRequests),
      usd(parts.workerCpuMs),
      usd(parts.objectRequests),
      usd(parts.objectGbSeconds),
      usd(parts.rowsWritten),
      usd(perMonth),
      usd(perMillionRequests),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return [
    "| requests a month | hosts | cells | Worker requests | Worker CPU | cell calls | cells awake | rows | a month | per million requests |",
    "|---|---|---|---|---|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}
