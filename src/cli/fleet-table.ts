// The fleet as a table for people.
import type { FleetView, HostView } from "../wire/fleet-view.ts";

/** Hosts, and a line about the whole. */
export function fleetText({ hosts, policy, activeLeases, queued }: FleetView): string {
  return `${hostTable(hosts)}\npolicy ${policy}, ${String(activeLeases)} running, ${String(queued)} waiting`;
}

/** A second agent with a host's identity is shown as long as this after it was last heard. */
const RIVAL_SHOWN_MS = 300_000;

/** One line per host, columns aligned. */
export function hostTable(hosts: readonly HostView[]): string {
  // Who runs one cell need not know that there are cells.
  const named = new Set(hosts.map((host) => host.cell)).size > 1;
  const rows = hosts.map((host) => [
    host.id,
    [host.status, ...notes(host)].join(", "),
    host.backend,
    `${String(host.activeLeases)}/${String(host.slots)}`,
    host.lastHeartbeatAgoMs === undefined ? "never" : `${String(Math.round(host.lastHeartbeatAgoMs / 1000))}s ago`,
    host.running.map((model) => model.name).join(" ") || "-",
    String(host.models.length),
    host.url,
    ...(named ? [host.cell ?? ""] : []),
  ]);
  const titles = ["HOST", "STATUS", "OLLAMA", "SLOTS", "HEARD", "LOADED", "MODELS", "URL", ...(named ? ["CELL"] : [])];
  return alignColumns([titles, ...rows]);
}

/** What an operator should see beside the status. */
function notes({ drained, leaving, unproven, rivalHeardAgoMs = Infinity }: HostView): string[] {
  const isRivalled = rivalHeardAgoMs < RIVAL_SHOWN_MS;
  return [
    ...(drained ? ["drained"] : []),
    ...(leaving ? ["leaving"] : []),
    ...(unproven ? ["unproven"] : []),
    ...(isRivalled ? ["rival"] : []),
  ];
}

/** Rows as lines, the first being the heading. */
export function alignColumns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
