// Runs many cells under many clients in virtual time: whether throughput grows with the cells, and how much goes elsewhere.
import { drawExponential, drawZipf, forkRandom } from "../routing/random.ts";
import type { Random } from "../routing/random.ts";
import { VirtualTime } from "../routing/virtual-time.ts";
import type { CellSite, Region } from "../../wire/cells.ts";
import type { LeaseRequest } from "../../wire/lease.ts";
import { CellActor } from "./cell-actor.ts";
import { EdgeActor } from "./edge-actor.ts";
import type { Arrived } from "./edge-actor.ts";
import { drawModels, layOut, modelKeys } from "./world.ts";

/** Summaries and epochs start here, so that nothing looks as if it had been read at instant 0. */
const EPOCH = 1_800_000_000_000;
const EDGES_PER_CELL = 4;
const MODELS = 12;
const MODELS_PER_HOST = 3;
/** A region's clients are so much more or fewer than its hosts would suggest, at most. */
const IMBALANCE = 0.1;

export interface CellsSpec {
  readonly seed: number;
  readonly cells: number;
  readonly hostsPerCell: number;
  readonly clientsPerCell: number;
  /** Mean time a client thinks between an answer and its next request. */
  readonly thinkMs: number;
  /** Mean time a host works on a request. */
  readonly serviceMs: number;
  readonly warmUpMs: number;
  readonly measuredMs: number;
}

export interface CellsResult {
  readonly cells: number;
  readonly hosts: number;
  readonly clients: number;
  readonly completedPerSecond: number;
  readonly refused: number;
  /** Share of requests served in another region than the nearest to their client that has cells. */
  readonly spilled: number;
  /** Calls of cells before the first byte, per request. */
  readonly callsPerRequest: number;
  readonly waitP99Ms: number;
  /** Share of its time that the thread of the busiest cell works. */
  readonly busiest: number;
}

/** Clients of one place: as many as think start the next request, whoever of them it is. */
interface Crowd {
  readonly region: Region;
  readonly edges: readonly EdgeActor[];
  thinking: number;
}

interface Tally {
  completed: number;
  refused: number;
  spilled: number;
  calls: number;
  readonly waitsMs: number[];
}

export class CellsRun {
  readonly #spec: CellsSpec;
  readonly #time = new VirtualTime();
  readonly #random: Random;
  readonly #cells: ReadonlyMap<string, CellActor>;
  readonly #keys = modelKeys(MODELS);
  readonly #tally: Tally = { completed: 0, refused: 0, spilled: 0, calls: 0, waitsMs: [] };
  #requests = 0;

  constructor(spec: CellsSpec) {
    this.#spec = spec;
    this.#random = forkRandom(spec.seed, "requests");
    this.#time.now = EPOCH;
    const sites = layOut(spec.cells);
    const placing = forkRandom(spec.seed, "models");
    this.#cells = new Map(
      sites.map((site) => [site.name, new CellActor(site, this.#time, forkRandom(spec.seed, site.name))]),
    );
    for (const [name, cell] of this.#cells) {
      for (let host = 0; host < spec.hostsPerCell; host += 1) {
        cell.addHost(`${name} host ${host}`, drawModels(placing, this.#keys, MODELS_PER_HOST));
      }
    }
    for (const crowd of this.#gather(sites)) this.#next(crowd);
  }

  run(): CellsResult {
    const { cells, hostsPerCell, clientsPerCell, warmUpMs, measuredMs } = this.#spec;
    this.#time.runUntil(EPOCH + warmUpMs);
    const tally = this.#tally;
    Object.assign(tally, { completed: 0, refused: 0, spilled: 0, calls: 0 });
    tally.waitsMs.length = 0;
    const busyBefore = new Map([...this.#cells].map(([name, cell]) => [name, cell.busyMs]));
    this.#time.runUntil(EPOCH + warmUpMs + measuredMs);
    const granted = tally.waitsMs.length;
    const waits = tally.waitsMs.toSorted((a, b) => a - b);
    return {
      cells,
      hosts: cells * hostsPerCell,
      clients: cells * clientsPerCell,
      completedPerSecond: (tally.completed * 1_000) / measuredMs,
      refused: tally.refused,
      spilled: tally.spilled / Math.max(1, granted),
      callsPerRequest: tally.calls / Math.max(1, granted + tally.refused),
      waitP99Ms: waits[Math.floor(waits.length * 0.99)] ?? 0,
      busiest:
        Math.max(...[...this.#cells].map(([name, cell]) => cell.busyMs - (busyBefore.get(name) ?? 0))) / measuredMs,
    };
  }

  /** Each region's clients in proportion to its cells, a little off: demand never lies where the hosts are. */
  #gather(sites: readonly CellSite[]): Crowd[] {
    const random = forkRandom(this.#spec.seed, "crowds");
    const regions = [...Map.groupBy(sites, ({ region }) => region)].flatMap(([region, shards]) =>
      region === "any" ? [] : [{ region, cells: shards.length, weight: 1 + IMBALANCE * (2 * random() - 1) }],
    );
    const total = regions.reduce((sum, { cells, weight }) => sum + cells * weight, 0);
    return regions.map(({ region, cells, weight }) => ({
      region,
      edges: Array.from({ length: cells * EDGES_PER_CELL }, () => new EdgeActor(region, this.#time, this.#cells)),
      thinking: Math.round((this.#spec.clientsPerCell * this.#spec.cells * cells * weight) / total),
    }));
  }

  /** Exponential thinking makes the number of those who think tell when the next of them is done. */
  #next(crowd: Crowd): void {
    const meanMs = this.#spec.thinkMs / Math.max(1, crowd.thinking);
    this.#time.after(drawExponential(this.#random, meanMs), () => {
      if (crowd.thinking > 0) this.#start(crowd);
      this.#next(crowd);
    });
  }

  #start(crowd: Crowd): void {
    crowd.thinking -= 1;
    const edge = crowd.edges[Math.floor(this.#random() * crowd.edges.length)];
    if (edge === undefined) throw new Error("a region without an edge");
    const request = this.#drawRequest();
    edge.send(request, (how) => this.#arrive(crowd, edge, request, how));
  }

  #arrive(crowd: Crowd, edge: EdgeActor, request: LeaseRequest, { calls, granted }: Arrived): void {
    const tally = this.#tally;
    tally.calls += calls;
    if (granted === undefined) {
      tally.refused += 1;
      crowd.thinking += 1;
      return;
    }
    const { cell, grant } = granted;
    if (cell.site.region !== edge.region) tally.spilled += 1;
    tally.waitsMs.push(grant.queuedMs);
    cell.begin(grant.leaseId, grant.hostId, request.model ?? "");
    this.#time.after(drawExponential(this.#random, this.#spec.serviceMs), () => {
      cell.end(grant.leaseId);
      tally.completed += 1;
      crowd.thinking += 1;
      this.#time.after(edge.wayMs(cell.site), () => cell.call(() => cell.settle(grant.leaseId)));
    });
  }

  #drawRequest(): LeaseRequest {
    this.#requests += 1;
    const requestId = `request-${this.#requests}`;
    return {
      requestId,
      principal: { tokenId: "token", tenant: "tenant", priority: "normal", pool: "default" },
      model: this.#keys[drawZipf(this.#random, this.#keys.length, 1)],
      needs: [],
      kind: "chat",
      streaming: true,
      runner: "",
      promptBytes: 4_096,
      // A conversation of its own each: what is alike meets in one shard, which is another matter than throughput.
      prefix: [Math.floor(this.#random() * 2 ** 52)],
      exclude: [],
      attempt: 1,
    };
  }
}
