// Made-up log probabilities that depend on nothing but the token and its place.
import type { Logprob } from "./voice.ts";
import { mix } from "../machine/answer.ts";

/** The log probability of a token, with so many alternatives beside it. */
export function logprobOf(token: string, position: number, alternatives: number): Logprob {
  const own = entry(token, position);
  if (alternatives === 0) return own;
  const others = Array.from({ length: alternatives - 1 }, (_, rank) => {
    const other = entry(`${token}${rank + 1}`, position);
    return { ...other, logprob: own.logprob - 1 - rank };
  });
  return { ...own, top_logprobs: [own, ...others] };
}

function entry(token: string, position: number): Omit<Logprob, "top_logprobs"> {
  return { token, logprob: -(1 + (mix(position, token.length) % 900)) / 1000, bytes: [...Buffer.from(token)] };
}
