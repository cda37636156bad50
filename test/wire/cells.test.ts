// CELLS: what it may say, and what a bad value is told.
import { describe, expect, it } from "vitest";
import { ONE_CELL } from "../../src/wire/cells.ts";
import { readSettings } from "../../src/wire/settings.ts";

function cells(text: string) {
  const read = readSettings({ CELLS: text });
  return read.ok ? read.value.CELLS : read.error;
}

describe("CELLS", () => {
  it("is one cell for all pools where nothing is said", () => {
    expect(cells("")).toEqual([ONE_CELL]);
    expect(cells(" , ")).toEqual([ONE_CELL]);
  });

  it("names pool, region and shard", () => {
    expect(cells("default:weur, GPU:apac-ne:12,default:any")).toEqual([
      { name: "cell:default:weur", pool: "default", region: "weur" },
      { name: "cell:gpu:apac-ne:12", pool: "gpu", region: "apac-ne" },
      { name: "cell:default:any", pool: "default", region: "any" },
    ]);
  });

  it.each(["default", "default:mars", ":weur", "default:weur:", "default:weur:x", "*:weur", "a b:weur"])(
    "refuses %j and says what it expects",
    (text) => {
      expect(cells(text)).toMatch(/^CELLS: ".*" is not POOL:REGION or POOL:REGION:SHARD/);
    },
  );

  it("refuses a cell that is named twice", () => {
    expect(cells("default:weur,default:weur")).toBe("CELLS: a cell is named twice");
  });
});
