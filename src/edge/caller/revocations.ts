// What is revoked, as this isolate knows it: read from the directory again before it is too old to bite within 5 s.
import type { RevocationView } from "../../wire/directory-rpc.ts";
import type { Caller, Env } from "../env.ts";
import { directoryOf } from "../env.ts";

/** From this age on one request reads anew while the others still use what is known. */
const AGEING_MS = 2_000;
/** From this age on nobody uses it: together with the reading itself revocation bites within 5 s. */
const TOO_OLD_MS = 4_000;
/** How often running work asks whether it may go on: at most this plus TOO_OLD_MS after a revocation it is cut. */
const WATCH_MS = 3_000;

export interface Revocations {
  readonly revision: number;
  readonly readAt: number;
  readonly tokens: ReadonlySet<string>;
  /** Name to the time until which its tokens are revoked. */
  readonly subs: ReadonlyMap<string, number>;
  readonly hosts: ReadonlyMap<string, number>;
  /** Key of an Ollama installation to the token that is bound to it. */
  readonly ollamaKeys: ReadonlyMap<string, string>;
}

let known: { readonly env: Env; readonly value: Revocations } | undefined;
let readingSince = 0;

/** What is revoked, at most 4 s old; rejects when the directory cannot be asked and what is known is older. */
export async function readRevocations(env: Env, now: number): Promise<Revocations> {
  const before = known?.env === env ? known.value : undefined;
  if (before === undefined) return await readAnew(env, undefined, now);
  const ageMs = now - before.readAt;
  const isBeingRead = now - readingSince < TOO_OLD_MS;
  if (ageMs < AGEING_MS || (ageMs < TOO_OLD_MS && isBeingRead)) return before;
  if (ageMs >= TOO_OLD_MS) return await readAnew(env, before, now);
  return await readAnew(env, before, now).catch(() => before);
}

/** Makes the next request read anew: something was just changed through this isolate. */
export function forgetRevocations(): void {
  known = undefined;
}

async function readAnew(env: Env, before: Revocations | undefined, now: number): Promise<Revocations> {
  readingSince = now;
  try {
    const view = await directoryOf(env).readRevocations(before?.revision ?? -1);
    const value = merge(before, view, now);
    known = { env, value };
    return value;
  } finally {
    readingSince = 0;
  }
}

function merge(before: Revocations | undefined, view: RevocationView, readAt: number): Revocations {
  if (view.entries === undefined && before !== undefined) return { ...before, readAt };
  const entries = view.entries ?? [];
  const of = (kind: string) => entries.filter((entry) => entry.kind === kind);
  const timed = (kind: string) => new Map(of(kind).map(({ id, revokedAt }) => [id, revokedAt]));
  return {
    revision: view.revision,
    readAt,
    tokens: new Set(of("token").map(({ id }) => id)),
    subs: timed("sub"),
    hosts: timed("host"),
    ollamaKeys: new Map((view.ollamaKeys ?? []).map(({ key, token }) => [key, token])),
  };
}

/** Whether a caller's token was revoked: itself, or with all of its name that were issued by then. */
export function isRevoked(revocations: Revocations, { principal, issuedAt }: Caller): boolean {
  return revocations.tokens.has(principal.tokenId) || issuedAt < (revocations.subs.get(principal.tenant) ?? 0);
}

export interface Watch {
  /** Ends what is watched: handed to the fetch that does the work. */
  readonly abort: AbortController;
  /** What was revoked while it ran. */
  cutBy(): "caller" | "host" | undefined;
  stop(): void;
}

/**
 * Asks at once and every few seconds whether work may go on, and aborts it when its caller or host was revoked, or when it has
 * gone on beyond `endsAt`: an agent that hangs ends nothing.
 */
export function watchRevocations(env: Env, caller: Caller, hostId: string, endsAt: number): Watch {
  const startedAt = Date.now();
  const abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isStopped = false;
  let cut: "caller" | "host" | undefined;
  const look = async (): Promise<void> => {
    // A directory that cannot be asked ends no running work: its next answer counts.
    const revocations = await readRevocations(env, Date.now()).catch(() => undefined);
    if (isStopped) return;
    if (revocations !== undefined && isRevoked(revocations, caller)) cut = "caller";
    else if (startedAt < (revocations?.hosts.get(hostId) ?? 0)) cut = "host";
    if (cut === undefined && Date.now() < endsAt) timer = setTimeout(() => void look(), WATCH_MS);
    else abort.abort();
  };
  void look();
  return {
    abort,
    cutBy: () => cut,
    stop: () => {
      isStopped = true;
      if (timer !== undefined) clearTimeout(timer);
    },
  };
}
