// One isolate of the edge in the simulation: knows of the cells what it has read, and takes requests from cell to cell.
import { byNearness } from "../../core/cells/nearness.ts";
import { recall } from "../../core/cells/knowledge.ts";
import type { Known } from "../../core/cells/knowledge.ts";
import { isElsewhere, nextStep } from "../../core/cells/route.ts";
import type { Asked } from "../../core/cells/route.ts";
import type { CellSite, Region } from "../../wire/cells.ts";
import type { AcquireAnswer, Grant, LeaseRequest } from "../../wire/lease.ts";
import type { VirtualTime } from "../routing/virtual-time.ts";
import type { CellActor } from "./cell-actor.ts";
import { roundTripMs } from "./world.ts";

export interface Arrived {
  readonly calls: number;
  /** Undefined for a request that was refused in the end. */
  readonly granted?: { readonly cell: CellActor; readonly grant: Grant } | undefined;
}

interface Travel {
  readonly request: LeaseRequest;
  readonly sites: readonly CellSite[];
  readonly asked: Asked[];
  learned: boolean;
  readonly arrived: (how: Arrived) => void;
}

export class EdgeActor {
  readonly region: Region;
  readonly #time: VirtualTime;
  readonly #cells: ReadonlyMap<string, CellActor>;
  readonly #sites: readonly CellSite[];
  readonly #known = new Map<string, Known>();

  constructor(region: Region, time: VirtualTime, cells: ReadonlyMap<string, CellActor>) {
    this.region = region;
    this.#time = time;
    this.#cells = cells;
    this.#sites = [...cells.values()].map(({ site }) => site);
  }

  /** Gets a lease for a request, wherever there is one. */
  send(request: LeaseRequest, arrived: (how: Arrived) => void): void {
    const sites = byNearness(this.#sites, this.region, String(request.prefix[0]));
    this.#goOn({ request, sites, asked: [], learned: false, arrived });
  }

  /** One way between this edge and a cell, ms. */
  wayMs(site: CellSite): number {
    return site.region === "any" ? 0 : roundTripMs(this.region, site.region) / 2;
  }

  #goOn(travel: Travel): void {
    const { request, sites, asked, learned, arrived } = travel;
    const { summaries, ageing } = recall(this.#known, sites, request.model, this.#time.now);
    for (const site of ageing) this.#read(site);
    const step = nextStep({ sites, summaries, learned, asked, model: request.model });
    switch (step.type) {
      case "stop":
        return arrived({ calls: asked.length });
      case "learn": {
        travel.learned = true;
        for (const site of sites) this.#read(site);
        const farthestMs = Math.max(...sites.map((site) => this.wayMs(site)));
        this.#time.after(2 * farthestMs + 1, () => this.#goOn(travel));
        return;
      }
      case "ask":
        return this.#ask(travel, step.site, step.mayWait);
    }
  }

  #ask(travel: Travel, site: CellSite, mayWait: boolean): void {
    const { request, asked } = travel;
    const cell = this.#cellAt(site);
    const back = (answer: AcquireAnswer): void => {
      this.#time.after(this.wayMs(site), () => {
        if (answer.ok) return travel.arrived({ calls: asked.length + 1, granted: { cell, grant: answer.grant } });
        asked.push({ site, refusal: answer.refusal });
        if (isElsewhere(answer.refusal.code)) this.#goOn(travel);
        else travel.arrived({ calls: asked.length });
      });
    };
    this.#time.after(this.wayMs(site), () =>
      cell.call(() => cell.acquire({ ...request, mayWait, hops: asked.length }, back)),
    );
  }

  #read(site: CellSite): void {
    const askedAt = this.#time.now;
    this.#known.set(site.name, { readAt: -Infinity, ...this.#known.get(site.name), askedAt });
    const cell = this.#cellAt(site);
    this.#time.after(this.wayMs(site), () =>
      cell.call(() => {
        const summary = cell.summary();
        this.#time.after(this.wayMs(site), () => this.#known.set(site.name, { summary, readAt: askedAt, askedAt }));
      }),
    );
  }

  #cellAt({ name }: CellSite): CellActor {
    const cell = this.#cells.get(name);
    if (cell === undefined) throw new Error(`no cell ${name}`);
    return cell;
  }
}
