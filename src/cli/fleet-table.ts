// The fleet as a table for people.
import type { FleetView, HostView, ModelConflict } from "../wire/fleet-view.ts";
import { onOneLine } from "./terminal.ts";

/** Hosts, a line about the whole, and one for each name behind which hosts hold different models. */
export function fleetText({ hosts, conflicts, policy, activeLeases, queued }: FleetView): string {
  const whole = `policy ${policy}, ${String(activeLeases)} running, ${String(queued)} waiting`;
  return [hostTable(hosts), whole, ...conflicts.map(conflictText)].join("\n");
}

function conflictText({ name, served, copies }: ModelConflict): string {
  const held = copies.map(({ digest, hosts }) => {
    const note = digest === served ? " (served)" : "";
    return `${digest.slice(0, SHORT_DIGEST)} on ${hosts.join(", ")}${note}`;
  });
  return onOneLine(`conflict: ${name} is ${held.join("; ")}`);
}

/** As `ollama ls` shows them. */
const SHORT_DIGEST = 12;

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
function notes({ drained, leaving, unproven, quarantined, rivalHeardAgoMs = Infinity }: HostView): string[] {
  const isRivalled = rivalHeardAgoMs < RIVAL_SHOWN_MS;
  return [
    ...(drained ? ["drained"] : []),
    ...(leaving ? ["leaving"] : []),
    ...(unproven ? ["unproven"] : []),
    ...(quarantined ? ["quarantined"] : []),
    ...(isRivalled ? ["rival"] : []),
  ];
}

/** Rows as lines, the first being the heading. */
export function alignColumns(table: readonly (readonly string[])[]): string {
  const rows = table.map((row) => row.map(onOneLine));
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
