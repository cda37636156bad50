// The score shared by the policies that count connections.
import type { Candidate, Score } from "./policy.ts";

/** Less than one connection, so that it only decides between hosts with as many. */
const NOT_LOADED = 0.5;

/** Scores a host by the requests it runs; among equals one that has the model in memory is ahead. */
export function scoreConnections({ active, loaded }: Candidate): Score {
  const load = loaded ? 0 : NOT_LOADED;
  return { score: active + load, parts: { active, load } };
}
