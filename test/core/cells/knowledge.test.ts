// What an edge knows of the cells: how long it may use it, and what it reads anew.
import { describe, expect, it } from "vitest";
import { isMissing, recall } from "../../../src/core/cells/knowledge.ts";
import { aSite, aSummary, M, room } from "./builders.ts";

const T0 = 1_800_000_000_000;
const near = [aSite("weur"), aSite("eeur"), aSite("enam")];
const far = aSite("oc");
const summary = aSummary(room(1));
const names = (found: readonly { readonly name: string }[]): string[] => found.map(({ name }) => name);

describe("what is known of the cells", () => {
  it("is used for ten seconds and read anew after one and a half", () => {
    const known = new Map([[near[0]?.name ?? "", { summary, readAt: T0, askedAt: T0 }]]);
    const at = (ageMs: number) => recall(known, near.slice(0, 1), M, T0 + ageMs);
    expect([at(1_499).summaries.size, at(1_499).ageing.length]).toEqual([1, 0]);
    expect([at(1_500).summaries.size, at(1_500).ageing.length]).toEqual([1, 1]);
    expect([at(9_999).summaries.size, at(10_000).summaries.size]).toEqual([1, 0]);
  });

  it("is asked for once however many requests come before the answer", () => {
    const known = new Map([[near[0]?.name ?? "", { readAt: 0, askedAt: T0 }]]);
    expect(recall(known, near.slice(0, 1), M, T0 + 100).ageing).toEqual([]);
    expect(isMissing(known.get(near[0]?.name ?? ""), T0 + 100)).toBe(true);
  });

  it("is kept fresh of the nearest three cells and of those that serve the model, not of the whole world", () => {
    const sites = [...near, far];
    expect(names(recall(new Map(), sites, M, T0).ageing)).toEqual(names(near));
    const known = new Map([[far.name, { summary, readAt: T0 - 2_000, askedAt: T0 - 2_000 }]]);
    expect(names(recall(known, sites, M, T0).ageing)).toContain(far.name);
    expect(names(recall(known, sites, "another", T0).ageing)).not.toContain(far.name);
  });
});
