// What scaling wants in all cells, as one: sums, and the words of the cell that wants most.
import type { ScaleModelView, ScaleView } from "../../wire/scale.ts";

/** Joins the views of the cells that have answered, at least one. */
export function joinScales(views: readonly ScaleView[]): ScaleView | undefined {
  const [first, ...others] = views.toSorted((a, b) => b.hosts.wanted - a.hosts.wanted);
  if (first === undefined || others.length === 0) return first;
  const hosts = views.map((view) => view.hosts);
  // Each cell may have them all, but together they have no more: further ones could not join.
  const max = Math.max(...hosts.map((each) => each.max));
  return {
    ...first,
    hosts: {
      ...first.hosts,
      wanted: Math.min(max, sum(hosts.map(({ wanted }) => wanted))),
      serving: sum(hosts.map(({ serving }) => serving)),
      min: sum(hosts.map(({ min }) => min)),
      max,
      leaving: hosts.flatMap(({ leaving }) => leaving),
    },
    host: Object.assign({}, ...views.map((view) => view.host)) as ScaleView["host"],
    models: joinModels(views.flatMap(({ models }) => models)),
  };
}

function joinModels(rows: readonly ScaleModelView[]): ScaleModelView[] {
  return [...Map.groupBy(rows, ({ name }) => name).values()].flatMap((same) => {
    const [busiest] = same.toSorted((a, b) => b.requestsPerSecond - a.requestsPerSecond);
    if (busiest === undefined) return [];
    return {
      ...busiest,
      wanted: sum(same.map(({ wanted }) => wanted)),
      loaded: sum(same.map(({ loaded }) => loaded)),
      onDisk: sum(same.map(({ onDisk }) => onDisk)),
      requestsPerSecond: sum(same.map(({ requestsPerSecond }) => requestsPerSecond)),
      waitP95Ms: Math.max(...same.map(({ waitP95Ms }) => waitP95Ms)),
    };
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
