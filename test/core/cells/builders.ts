// Cells for tests: sites, rooms and summaries of which a test changes what it is about.
import type { CellSummary, Room } from "../../../src/wire/cell-summary.ts";
import type { CellSite, Place } from "../../../src/wire/cells.ts";
import { cellsSetting } from "../../../src/wire/cells.ts";

export const M = "registry.ollama.ai/library/m:latest";

export function sites(text: string): readonly CellSite[] {
  return cellsSetting.parse(text);
}

export function aSite(region: Place, pool = "default"): CellSite {
  return { name: `cell:${pool}:${region}`, pool, region };
}

export function room(free: number, slots = 4, waiting = 0): Room {
  return { slots, free, waiting };
}

/** A cell with one model, or with none. */
export function aSummary(model?: Room, part: Partial<CellSummary> = {}): CellSummary {
  const any = model ?? room(4);
  return { hosts: 1, warming: false, any, models: model === undefined ? {} : { [M]: model }, ...part };
}
