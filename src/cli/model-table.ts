// The models of the fleet as a table for people, names with different models behind them marked.
import type { FleetView, HostView } from "../wire/fleet-view.ts";
import { sizeText } from "./size-text.ts";
import { alignColumns } from "./fleet-table.ts";

/** One line per name and digest. */
export function modelTable({ hosts, conflicts }: FleetView): string {
  const copies = Map.groupBy(
    hosts.flatMap((host) => host.models.map((model) => ({ host, model }))),
    ({ model }) => `${model.name} ${model.digest}`,
  );
  const disputed = new Map(conflicts.map(({ name, served }) => [name, served]));
  const rows = [...copies.values()].flatMap((held) => {
    const [first] = held;
    if (first === undefined) return [];
    const { name, digest, sizeBytes } = first.model;
    const served = disputed.get(name);
    const note = served === undefined || served === digest ? "" : `not served: most hosts hold ${served.slice(0, 12)}`;
    const loaded = held.filter(({ host }) => isLoaded(host, name)).map(({ host }) => host.id);
    return [
      [
        name,
        digest.slice(0, 12),
        sizeText(sizeBytes),
        held.map(({ host }) => host.id).join(" "),
        loaded.join(" ") || "-",
        note,
      ],
    ];
  });
  rows.sort(([a = ""], [b = ""]) => a.localeCompare(b));
  return alignColumns([["NAME", "DIGEST", "SIZE", "HOSTS", "LOADED", ""], ...rows]);
}

function isLoaded(host: HostView, name: string): boolean {
  return host.running.some((running) => running.name === name);
}
