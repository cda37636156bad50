// What an operator sees where hosts hold different models under one name.
import { expect, it } from "vitest";
import { fleetText } from "../../src/cli/fleet-table.ts";
import { modelTable } from "../../src/cli/model-table.ts";
import type { FleetView, HostView } from "../../src/wire/fleet-view.ts";

const [mine, theirs] = ["a".repeat(64), "b".repeat(64)];

function aHost(id: string, digest: string): HostView {
  const model = { name: "split:latest", digest, sizeBytes: 4_000_000, modifiedAt: "", capabilities: [] };
  const base = { id, url: `https://${id}`, pool: "default", region: "any", status: "alive", backend: "up" } as const;
  return { ...base, drained: false, slots: 1, activeLeases: 0, models: [model], running: [] } as unknown as HostView;
}

const fleet = {
  hosts: [aHost("a", theirs), aHost("b", mine), aHost("c", mine)],
  conflicts: [
    {
      name: "split:latest",
      served: mine,
      copies: [
        { digest: mine, hosts: ["b", "c"] },
        { digest: theirs, hosts: ["a"] },
      ],
    },
  ],
  policy: "random",
  activeLeases: 0,
  queued: 0,
} as unknown as FleetView;

it("names each model behind the name, its hosts, and which one clients get", () => {
  expect(fleetText(fleet).split("\n").at(-1)).toBe(
    "conflict: split:latest is aaaaaaaaaaaa on b, c (served); bbbbbbbbbbbb on a",
  );
});

it("marks in the list of models those that nobody is served", () => {
  expect(modelTable(fleet).split("\n")).toEqual([
    "NAME          DIGEST        SIZE    HOSTS  LOADED",
    "split:latest  bbbbbbbbbbbb  4.0 MB  a      -       not served: most hosts hold aaaaaaaaaaaa",
    "split:latest  aaaaaaaaaaaa  4.0 MB  b c    -",
  ]);
});
