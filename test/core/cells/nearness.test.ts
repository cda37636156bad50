// Where cells and clients stand, and which cell is whose.
import { describe, expect, it } from "vitest";
import { assignCell } from "../../../src/core/cells/assign.ts";
import { byNearness, inPool, placeOf } from "../../../src/core/cells/nearness.ts";
import { REGIONS } from "../../../src/wire/cells.ts";
import { sites } from "./builders.ts";

const names = (found: readonly { readonly name: string }[]): string[] => found.map(({ name }) => name);

describe("nearness", () => {
  it("puts a region's own cells first and names every other region once", () => {
    const everywhere = sites(REGIONS.map((region) => `default:${region}`).join(","));
    for (const region of REGIONS) {
      const near = byNearness(everywhere, region);
      expect(near[0]?.region).toBe(region);
      expect(new Set(near.map((site) => site.region)).size).toBe(REGIONS.length);
    }
  });

  it("keeps the order of CELLS where a place is not known, and puts a cell of no place last", () => {
    const some = sites("default:any, default:oc, default:weur");
    expect(names(byNearness(some, "any"))).toEqual(["cell:default:any", "cell:default:oc", "cell:default:weur"]);
    expect(names(byNearness(some, "eeur"))).toEqual(["cell:default:weur", "cell:default:oc", "cell:default:any"]);
  });

  it("sends what shares a key to the same shard, and spreads keys over all shards of a region", () => {
    const shards = sites("default:enam, default:weur:0, default:weur:1, default:weur:2, default:weur:3");
    const first = (key: string) => byNearness(shards, "weur", key)[0]?.name ?? "";
    expect(first("conversation")).toBe(first("conversation"));
    const counts = new Map<string, number>();
    for (let key = 0; key < 4_000; key += 1) {
      const name = first(`${key}`);
      counts.set(name, (counts.get(name) ?? 0) + 1);
      expect(byNearness(shards, "weur", `${key}`).at(-1)?.region).toBe("enam");
    }
    expect(counts.size).toBe(4);
    for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  });

  it("opens only the cells of its pool to a token, and all to an operator", () => {
    const some = sites("default:weur, gpu:weur, gpu:enam");
    expect(names(inPool(some, "gpu"))).toEqual(["cell:gpu:weur", "cell:gpu:enam"]);
    expect(inPool(some, "*")).toHaveLength(3);
    expect(inPool(some, "other")).toEqual([]);
    expect(inPool(sites(""), "other")).toHaveLength(1);
  });
});

describe("the place of a request", () => {
  it.each([
    ["Seattle", { continent: "NA", longitude: -122, latitude: 47 }, "wnam"],
    ["New York", { continent: "NA", longitude: -74, latitude: 40 }, "enam"],
    ["Paris", { continent: "EU", longitude: 2, latitude: 48 }, "weur"],
    ["Warsaw", { continent: "EU", longitude: 21, latitude: 52 }, "eeur"],
    ["Dubai", { continent: "AS", country: "AE", longitude: 55, latitude: 25 }, "me"],
    ["Delhi", { continent: "AS", country: "IN", longitude: 77, latitude: 28 }, "apac-se"],
    ["Tokyo", { continent: "AS", country: "JP", longitude: 139, latitude: 35 }, "apac-ne"],
    ["Singapore", { continent: "AS", country: "SG", longitude: 103, latitude: 1 }, "apac-se"],
    ["São Paulo", { continent: "SA" }, "sam"],
    ["Nairobi", { continent: "AF" }, "afr"],
    ["Sydney", { continent: "OC" }, "oc"],
    ["Tor", { continent: "T1" }, "any"],
    ["plain workerd", {}, "any"],
  ])("is found for %s", (_city, whereabouts, region) => {
    expect(placeOf(whereabouts)).toBe(region);
  });
});

describe("the cell of a new host", () => {
  const some = sites("default:weur:0, default:weur:1, default:enam, gpu:weur");
  const assigned = (pool: string, place: Parameters<typeof assignCell>[1]["place"], counts: Record<string, number>) =>
    assignCell(some, { pool, place }, new Map(Object.entries(counts)))?.name;

  it("is the emptiest shard of its region", () => {
    expect(assigned("default", "weur", { "cell:default:weur:0": 3, "cell:default:weur:1": 2 })).toBe(
      "cell:default:weur:1",
    );
    expect(assigned("default", "eeur", {})).toBe("cell:default:weur:0");
  });

  it("is the next nearest where a cell holds as many as it can", () => {
    const full = { "cell:default:weur:0": 200, "cell:default:weur:1": 200 };
    expect(assigned("default", "weur", full)).toBe("cell:default:enam");
    expect(assigned("default", "weur", { ...full, "cell:default:enam": 200 })).toBe("cell:default:weur:0");
  });

  it("is none where no cell takes its pool", () => {
    expect(assigned("other", "weur", {})).toBeUndefined();
  });
});
