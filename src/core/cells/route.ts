// From cell to cell: the nearest that can serve, and on to the next where it has no free slot, at most two hops.
import { mostHeld } from "../digests.ts";
import type { CellSummary, Room } from "../../wire/cell-summary.ts";
import type { CellSite } from "../../wire/cells.ts";
import type { ErrorCode } from "../../wire/errors.ts";
import type { Refusal } from "../../wire/lease.ts";

/** A request that no cell wants must not go round the world. */
const HOPS_MAX = 2;
/** A queue elsewhere must be shorter by so many requests per slot to be worth the way: one whole service. */
const WORTH_THE_WAY = 1;

export interface Asked {
  readonly site: CellSite;
  readonly refusal: Refusal;
}

/** What is known when the next cell is chosen. */
export interface Journey {
  /** Cells open to the request, the nearest first. */
  readonly sites: readonly CellSite[];
  /** By name; a cell of which nothing is known has none. */
  readonly summaries: ReadonlyMap<string, CellSummary>;
  /** Whether summaries missing now could not be had. */
  readonly learned: boolean;
  readonly asked: readonly Asked[];
  readonly model: string | undefined;
}

export type Step =
  /** Ask a cell for a lease; one that may not wait there is refused as `cell_busy` instead of queued. */
  | { readonly type: "ask"; readonly site: CellSite; readonly mayWait: boolean }
  /** Get the missing summaries first. */
  | { readonly type: "learn" }
  | { readonly type: "stop" };

interface Offer {
  readonly site: CellSite;
  readonly room: Room;
  readonly isAsked: boolean;
}

/** Says what to do next for a request. */
export function nextStep(journey: Journey): Step {
  const { sites, asked } = journey;
  const [nearest] = sites;
  if (nearest === undefined || asked.length > HOPS_MAX) return { type: "stop" };
  if (sites.length === 1) return asked.length === 0 ? ask(nearest, true) : { type: "stop" };
  const offers = offersOf(journey);
  const free = offers.filter(({ room, isAsked }) => room.free > 0 && !isAsked);
  const [first] = free;
  const waitAt = shortestQueue(offers.filter(({ room, site }) => room.slots > 0 && isWaitable(journey, site)));
  if (first !== undefined) {
    const isLast = asked.length === HOPS_MAX;
    return ask(first.site, isLast || (free.length === 1 && waitAt?.site === first.site));
  }
  if (waitAt !== undefined) return ask(waitAt.site, true);
  return beyondKnown(journey, nearest);
}

/** The refusal that tells a client most, of those that cells gave. */
export function mostTelling(refusals: readonly Refusal[]): Refusal | undefined {
  const rank = ({ code }: Refusal): number => TELLING.indexOf(code);
  return refusals.reduce<Refusal | undefined>(
    (best, refusal) => (best === undefined || rank(refusal) > rank(best) ? refusal : best),
    undefined,
  );
}

/** Whether another cell may do better than the one that gave this refusal. */
export function isElsewhere(code: ErrorCode): boolean {
  return TELLING.includes(code);
}

/** From the least telling to the most; a refusal of any other kind is final. */
const TELLING: readonly ErrorCode[] = [
  "cell_busy",
  "cell_unavailable",
  "no_host",
  "unknown_host",
  "unknown_model",
  "attempts_failed",
  "model_offline",
  "missing_capability",
  "queue_full",
];

function ask(site: CellSite, mayWait: boolean): Step {
  return { type: "ask", site, mayWait };
}

function offersOf({ sites, summaries, asked, model }: Journey): Offer[] {
  const offers = sites.flatMap((site) => {
    const summary = summaries.get(site.name);
    const room = model === undefined ? summary?.any : summary?.models[model];
    return room === undefined ? [] : [{ site, room, isAsked: asked.some((other) => other.site === site) }];
  });
  const digest = mostHeld(offers.map(({ room }) => room));
  return offers.filter(({ room }) => room.digest === undefined || room.digest === digest);
}

/** A cell is asked twice only if the first time the request was not allowed to wait. */
function isWaitable({ asked }: Journey, site: CellSite): boolean {
  return asked.every((other) => other.site !== site || other.refusal.code === "cell_busy");
}

function shortestQueue(offers: readonly Offer[]): Offer | undefined {
  const perSlot = ({ room }: Offer): number => room.waiting / Math.max(1, room.slots);
  return offers.reduce<Offer | undefined>(
    (best, offer) => (best === undefined || perSlot(offer) + WORTH_THE_WAY <= perSlot(best) ? offer : best),
    undefined,
  );
}

/** No cell is known to serve the model: one that is not known may, one that has just started may, and one must say why not. */
function beyondKnown({ sites, summaries, learned, asked, model }: Journey, nearest: CellSite): Step {
  if (asked.length === 0 && !summaries.has(nearest.name)) return ask(nearest, learned);
  if (!learned && sites.some(({ name }) => !summaries.has(name))) return { type: "learn" };
  const unasked = sites.filter((site) => asked.every((other) => other.site !== site));
  const warming = unasked.find(({ name }) => summaries.get(name)?.warming === true);
  if (warming !== undefined) return ask(warming, true);
  if (asked.length > 0) return { type: "stop" };
  const [knows] = model === undefined ? [] : offersOf({ sites, summaries, learned, asked, model });
  return ask(knows?.site ?? nearest, true);
}
