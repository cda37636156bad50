// The threats that Hive defends against, T1 to T30. A test that attacks one carries its id in its title, as in "[T5]" or "[T8 T9]".

export interface Row {
  readonly id: string;
  readonly attack: string;
}

/** Every threat must be attacked by a test: one without is a failure. */
export const ROWS: readonly Row[] = [
  { id: "T1", attack: "a tunnel's hostname leaks and its agent is called directly" },
  { id: "T2", attack: "a token of the leg is stolen, replayed or used for something else" },
  { id: "T3", attack: "a rogue host joins to harvest prompts" },
  { id: "T4", attack: "one host acts as another" },
  { id: "T5", attack: "heartbeats are replayed or forged" },
  { id: "T6", attack: "two agents run with one identity" },
  { id: "T7", attack: "a host's address leads the edge elsewhere (SSRF, redirects, loops)" },
  { id: "T8", attack: "a client's headers reach the hop behind the edge" },
  { id: "T9", attack: "a client's credential, cookie or query reaches a host" },
  { id: "T10", attack: "a host attacks clients through response headers" },
  { id: "T11", attack: "a host answers with bombs, endless lines or no end" },
  { id: "T12", attack: "requests are smuggled, with CR, LF, NUL, odd paths or two lengths" },
  { id: "T13", attack: "tokens are forged or malformed" },
  { id: "T14", attack: "a token of one role opens another role's routes" },
  { id: "T15", attack: "a revoked token, tenant, host or operator goes on" },
  { id: "T16", attack: "an issuer's keys rotate, are flooded with unknown ids, or cannot be fetched" },
  { id: "T17", attack: "tokens stand in URLs, logs or referrers" },
  { id: "T18", attack: "credentials are guessed, or answers tell what exists" },
  { id: "T19", attack: "a tenant reads another's requests, usage, queue or model names" },
  { id: "T20", attack: "a neighbour's prompts are guessed through shared caches" },
  { id: "T21", attack: "bodies are too large, too deep, too many, compressed or slow" },
  { id: "T22", attack: "one tenant makes hosts load models without end" },
  { id: "T23", attack: "one tenant floods the queue" },
  { id: "T24", attack: "a client changes what a host holds" },
  { id: "T25", attack: "prompts leave the host for a cloud model or a web tool" },
  { id: "T26", attack: "a page or a host's strings attack the operator's browser" },
  { id: "T27", attack: "prompts or tokens end up in logs or stores" },
  { id: "T28", attack: "a dependency brings code of others" },
  { id: "T29", attack: "secrets are read from files, arguments, errors or memory" },
  { id: "T30", attack: "clients learn what is hidden: templates, addresses, hosts, stack traces" },
];
