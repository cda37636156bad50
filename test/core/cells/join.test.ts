// Many cells as one fleet: what is listed where cells hold different models under one name.
import { expect, it } from "vitest";
import { catalog } from "../../../src/core/catalog.ts";
import { joinCatalogs, joinFleets } from "../../../src/core/cells/join.ts";
import { viewFleet } from "../../../src/core/fleet.ts";
import { FleetDriver, MODEL, OTHER, aModel } from "../builders.ts";
import { aSite } from "./builders.ts";

/** A cell whose hosts hold a model with these digests. */
function cellWith(digests: Readonly<Record<string, string>>): FleetDriver {
  const driver = new FleetDriver();
  for (const [id, digest] of Object.entries(digests))
    driver.join(id, { models: [aModel(MODEL, { digest }), aModel(OTHER)] });
  return driver;
}

const near = cellWith({ a: "1", b: "1" });
const far = cellWith({ c: "2", d: "2", e: "2" });

it("lists the model of most hosts over all cells, and the nearest's among equals", () => {
  const digestOf = (...cells: FleetDriver[]) =>
    joinCatalogs(cells.map(({ fleet, now }) => catalog(fleet, now)))?.models.find(({ name }) => name.startsWith("m"))
      ?.digest;
  expect(digestOf(near, far)).toBe("2");
  expect(digestOf(near, cellWith({ c: "2", d: "2" }))).toBe("1");
  expect(digestOf(near, cellWith({ c: "2", d: "2" }), cellWith({ f: "2" }))).toBe("2");
});

it("shows operators where cells differ, beside what differs inside of one", () => {
  const told = (cells: readonly FleetDriver[]) =>
    joinFleets(
      cells.map(({ fleet, now }, index) => ({
        site: aSite(index === 0 ? "weur" : "enam"),
        view: { ...viewFleet(fleet, now), calls: {} },
      })),
    ).conflicts;
  const copies = [
    { digest: "2", hosts: ["c", "d", "e"] },
    { digest: "1", hosts: ["a", "b"] },
  ];
  expect(told([near, far])).toEqual([{ name: aModel().name, served: "2", copies }]);
  expect(told([near, cellWith({ c: "1" })])).toEqual([]);
  expect(told([cellWith({ a: "1", b: "2" }), near])).toHaveLength(1);
});
