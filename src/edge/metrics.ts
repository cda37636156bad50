// The fleet in Prometheus' text format (version 0.0.4): counts alone; no tenant, prompt, address or key.
import type { CellView, FleetView, HostView } from "../wire/fleet-view.ts";

type Labels = Readonly<Record<string, string>>;

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "gauge" | "counter";
  readonly samples: readonly (readonly [Labels, number])[];
}

/** Writes the metrics of a fleet. */
export function writeMetrics(fleet: FleetView): string {
  const cells = fleet.cells ?? [];
  return [...hostFamilies(fleet.hosts), ...modelFamilies(fleet), ...cellFamilies(cells)].map(writeFamily).join("");
}

function hostFamilies(hosts: readonly HostView[]): Family[] {
  const gauge = (name: string, help: string, value: (host: HostView) => number): Family => ({
    name: `hive_host_${name}`,
    help,
    type: "gauge",
    samples: hosts.map((host) => [{ host: host.id, pool: host.pool }, value(host)]),
  });
  return [
    gauge("up", "1 while the host is alive and its Ollama answers.", (host) =>
      Number(host.status === "alive" && host.backend === "up"),
    ),
    gauge("unproven", "1 while the hostname has not been shown to lead to the agent.", (host) => Number(host.unproven)),
    gauge("quarantined", "1 while agents with this identity replace each other and it gets no request.", (host) =>
      Number(host.quarantined),
    ),
    gauge("rival", "1 when another agent with this identity was heard within 5 minutes.", (host) =>
      Number((host.rivalHeardAgoMs ?? Infinity) < 300_000),
    ),
    gauge("slots", "Requests that the host takes at once.", (host) => host.slots),
    gauge("active_leases", "Requests that run there.", (host) => host.activeLeases),
    gauge("forced_cancels", "Requests of this run that Ollama stopped only by a reset.", (host) => host.forcedCancels),
  ];
}

function modelFamilies({ hosts }: FleetView): Family[] {
  const count = (names: readonly string[]): (readonly [Labels, number])[] => {
    const byName = Map.groupBy(names, (name) => name);
    return [...byName].map(([model, all]) => [{ model }, all.length]);
  };
  const onDisk = hosts.flatMap(({ models }) => models.map(({ name }) => name));
  const loaded = hosts.flatMap(({ running }) => running.map(({ name }) => name));
  return [
    { name: "hive_model_copies", help: "Hosts that have the model.", type: "gauge", samples: count(onDisk) },
    { name: "hive_model_loaded", help: "Hosts that have it in memory.", type: "gauge", samples: count(loaded) },
  ];
}

function cellFamilies(cells: readonly CellView[]): Family[] {
  const gauge = (name: string, help: string, value: (cell: CellView) => number): Family => ({
    name: `hive_cell_${name}`,
    help,
    type: "gauge",
    samples: cells.map((cell) => [{ cell: cell.name }, value(cell)]),
  });
  const calls = cells.flatMap(({ name, calls: byVerb = {} }) =>
    Object.entries(byVerb).map(([verb, count]): readonly [Labels, number] => [{ cell: name, verb }, count]),
  );
  return [
    gauge("reachable", "1 where the cell answered this scrape.", ({ reachable }) => Number(reachable)),
    gauge("queued", "Requests that wait for a slot.", ({ queued }) => queued),
    gauge("active_leases", "Requests that run.", ({ activeLeases }) => activeLeases),
    { name: "hive_cell_calls_total", help: "Calls since the cell was started.", type: "counter", samples: calls },
  ];
}

function writeFamily({ name, help, type, samples }: Family): string {
  const lines = samples.map(([labels, value]) => `${name}{${writeLabels(labels)}} ${String(value)}`);
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, ""].join("\n");
}

/** Names of models come from hosts: a quote or a line break in one must not make a sample of its own. */
function writeLabels(labels: Labels): string {
  return Object.entries(labels)
    .map(
      ([name, value]) => `${name}="${value.replaceAll(/[\\"\n]/g, (char) => (char === "\n" ? "\\n" : `\\${char}`))}"`,
    )
    .join(",");
}
