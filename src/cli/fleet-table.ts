// The fleet as a table for people.
import type { HostView } from "../wire/fleet-view.ts";

/** One line per host, columns aligned. */
export function hostTable(hosts: readonly HostView[]): string {
  // Who runs one cell need not know that there are cells.
  const named = new Set(hosts.map((host) => host.cell)).size > 1;
  const rows = hosts.map((host) => [
    host.id,
    host.drained ? `${host.status}, drained` : host.status,
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
