// How many servers a stream of requests needs: M/M/c (Erlang C), corrected by Allen and Cunneen for other than Poisson traffic.

/** A stream of requests as the formulas see it. */
export interface Traffic {
  readonly ratePerSecond: number;
  readonly serviceSeconds: number;
  /** Squared coefficient of variation of the gaps between arrivals; 1 for Poisson. */
  readonly arrivalScv: number;
  /** Squared coefficient of variation of the service times; 1 for exponential. */
  readonly serviceScv: number;
}

/** The share of requests that must not wait longer than the target. */
export const PROMISED = 0.95;
/** What servers are counted for: those who wait come in clusters, so that in an hour twice as many may wait as in a year. */
export const SIZED_FOR = 0.98;
/** More than one cell can hold, so that a broken figure cannot loop for ever. */
const MOST_SERVERS = 20_000;

/** The servers kept busy on average if nobody had to wait (Erlangs). */
export function offeredLoad({ ratePerSecond, serviceSeconds }: Traffic): number {
  return ratePerSecond * serviceSeconds;
}

/** Probability that an arrival finds all servers of an M/M/c queue busy (Erlang C); 1 when they cannot keep up. */
export function erlangC(servers: number, load: number): number {
  if (load <= 0) return 0;
  if (load >= servers) return 1;
  let blocked = 1;
  for (let count = 1; count <= servers; count += 1) blocked = nextBlocked(blocked, count, load);
  return waitingShare(blocked, servers, load);
}

/**
 * The wait that a share of the requests stays below, seconds; infinite when the servers cannot keep up. Those who wait do so for
 * an exponential time whose mean is that of M/M/c times (Ca² + Cs²) / 2 (Allen and Cunneen).
 */
export function waitSeconds(traffic: Traffic, servers: number, share: number): number {
  const load = offeredLoad(traffic);
  return waitOf({ traffic, servers, waiting: erlangC(servers, load) }, share);
}

/** The fewest servers with which a share of the requests waits no longer than the target. */
export function serversFor(traffic: Traffic, targetSeconds: number, share: number): number {
  const load = offeredLoad(traffic);
  if (!(load > 0)) return 0;
  let blocked = 1;
  for (let servers = 1; servers <= MOST_SERVERS; servers += 1) {
    blocked = nextBlocked(blocked, servers, load);
    if (load >= servers) continue;
    const waiting = waitingShare(blocked, servers, load);
    if (waitOf({ traffic, servers, waiting }, share) <= targetSeconds) return servers;
  }
  return MOST_SERVERS;
}

/** A queue that long comes by chance once in so many looks. */
const QUEUE_BY_CHANCE = 1e-6;

/**
 * The longest queue that is still chance: the number of waiting falls off like a power of the utilisation, the slower the
 * more uneven the traffic (Kingman's exponent for heavy traffic).
 */
export function longestQueue(traffic: Traffic, servers: number): number {
  const load = offeredLoad(traffic);
  if (load >= servers) return Infinity;
  const waiting = erlangC(servers, load);
  const unevenness = Math.max(1, (traffic.arrivalScv + traffic.serviceScv) / 2);
  return 1 + Math.max(0, Math.log(waiting / QUEUE_BY_CHANCE) / Math.log(servers / load)) * unevenness;
}

/** Erlang B by its recursion, which stays exact where factorials overflow. */
function nextBlocked(blocked: number, servers: number, load: number): number {
  return (load * blocked) / (servers + load * blocked);
}

function waitingShare(blocked: number, servers: number, load: number): number {
  return blocked / (1 - (load / servers) * (1 - blocked));
}

interface Queue {
  readonly traffic: Traffic;
  readonly servers: number;
  /** The share that has to wait at all. */
  readonly waiting: number;
}

function waitOf({ traffic, servers, waiting }: Queue, share: number): number {
  const load = offeredLoad(traffic);
  if (load <= 0) return 0;
  if (load >= servers) return Infinity;
  if (waiting <= 1 - share) return 0;
  const meanOfWaiting = (traffic.serviceSeconds / (servers - load)) * ((traffic.arrivalScv + traffic.serviceScv) / 2);
  return meanOfWaiting * Math.log(waiting / (1 - share));
}
