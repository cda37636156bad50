// `hive usage`: what tenants have used, per day and model.
import type { Command } from "commander";
import type { UsageView } from "../wire/cell-rpc.ts";
import type { EdgeTarget } from "./edge-client.ts";
import { callEdge } from "./edge-client.ts";
import { alignColumns } from "./fleet-table.ts";
import { durationFlag, readLifetime, STATE_FLAG, URL_FLAG } from "./flags.ts";
import { print } from "./terminal.ts";
import { formatDuration } from "../wire/duration.ts";

type UsageOptions = EdgeTarget & { readonly sub?: string; readonly since: number; readonly json?: boolean };

export function addUsage(program: Command): void {
  program
    .command("usage")
    .description("requests and tokens per tenant, day and model")
    .option("--sub <name>", "one tenant only")
    .addOption(durationFlag("--since <duration>", "how far back", 7 * 86_400_000, readLifetime))
    .option("--json", "as JSON")
    .addOption(URL_FLAG)
    .addOption(STATE_FLAG)
    .action(show);
}

async function show(options: UsageOptions): Promise<void> {
  const query = new URLSearchParams({ since: formatDuration(options.since) });
  if (options.sub !== undefined) query.set("sub", options.sub);
  const { usage } = (await callEdge(options, "GET", `/usage?${query.toString()}`)) as { usage: readonly UsageView[] };
  print(options.json === true ? JSON.stringify(usage, undefined, 2) : table(usage));
}

function table(usage: readonly UsageView[]): string {
  const rows = usage.map(({ day, tenant, model, requests, promptTokens, outputTokens }) => [
    day,
    tenant,
    model === "" ? "-" : model.replace("registry.ollama.ai/library/", ""),
    String(requests),
    String(promptTokens),
    String(outputTokens),
  ]);
  return alignColumns([["DAY", "NAME", "MODEL", "REQUESTS", "TOKENS IN", "TOKENS OUT"], ...rows]);
}
