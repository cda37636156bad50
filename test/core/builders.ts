// Fleets for tests: valid hosts, heartbeats and requests of which a test changes what it is about.
import { createFleet, step } from "../../src/core/fleet.ts";
import type {
  Effect,
  Fleet,
  FleetBeat,
  FleetEvent,
  FleetModel,
  FleetRunning,
  FleetSettings,
} from "../../src/core/fleet.ts";
import type { HostRegistration } from "../../src/wire/host.ts";
import type { Grant, LeaseRequest, Outcome, Refusal } from "../../src/wire/lease.ts";

/** An instant at which every fleet of the tests begins. */
export const T0 = 1_800_000_000_000;
export const MODEL = "registry.ollama.ai/library/m:latest";
export const OTHER = "registry.ollama.ai/library/other:latest";

/** A small generator (mulberry32), so that a seed tells the whole run. */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function aRegistration(id: string, part: Partial<HostRegistration> = {}): HostRegistration {
  const key = { kty: "OKP", x: id.padEnd(43, "A") } as const;
  return {
    id,
    url: `https://${id}.example.com`,
    pool: "default",
    region: "",
    signingKey: { ...key, crv: "Ed25519" },
    agreementKey: { ...key, crv: "X25519" },
    registeredAt: T0,
    drained: false,
    ...part,
  };
}

export function aModel(key: string = MODEL, part: Partial<FleetModel> = {}): FleetModel {
  return {
    key,
    name: key.split("/").at(-1) ?? key,
    digest: "d1",
    sizeBytes: 1,
    modifiedAt: "2026-01-01T00:00:00Z",
    capabilities: ["completion"],
    ...part,
  };
}

export function aRunning(key: string = MODEL, part: Partial<FleetRunning> = {}): FleetRunning {
  const expiresAt = "2027-01-15T08:05:00Z";
  return { key, name: key, digest: "d1", contextLength: 4096, sizeBytes: 1, sizeVramBytes: 1, expiresAt, ...part };
}

export function aBeat(part: Partial<FleetBeat> = {}): FleetBeat {
  return {
    runId: "run-00001",
    sequence: 1,
    agentVersion: "0.1.0",
    ollamaVersion: "0.14.0",
    backend: "up",
    models: [aModel()],
    running: [],
    slots: 4,
    parallel: 4,
    active: [],
    finished: [],
    ...part,
  };
}

export function aRequest(requestId: string, part: Partial<LeaseRequest> = {}): LeaseRequest {
  return {
    requestId,
    principal: { tokenId: "t", tenant: "t", priority: "normal", pool: "default" },
    model: MODEL,
    needs: [],
    kind: "chat",
    streaming: true,
    runner: "",
    promptBytes: 10,
    prefix: [],
    exclude: [],
    attempt: 1,
    ...part,
  };
}

/** Names a lease a heartbeat lists. */
export function active(...ids: string[]): FleetBeat["active"] {
  return ids.map((id) => ({ id, model: MODEL, startedAt: T0 }));
}

/** A fleet with a clock a test sets; the lease of request `r` is `L-r`. */
export class FleetDriver {
  readonly fleet: Fleet;
  now = T0;
  readonly random = seededRandom(1);
  private readonly sequences = new Map<string, number>();

  constructor(settings: Partial<FleetSettings> = {}) {
    const defaults = {
      maxInstances: 10,
      queueTimeoutMs: 30_000,
      queueLimit: 4,
      heartbeatIntervalMs: 5_000,
      policy: "least_connections",
    } as const;
    this.fleet = createFleet({ ...defaults, ...settings }, T0);
  }

  send(event: FleetEvent): Effect[] {
    return step(this.fleet, event, { now: this.now, random: this.random });
  }

  /** Lets time pass up to an offset from the start, and ticks. */
  at(offsetMs: number): Effect[] {
    this.now = T0 + offsetMs;
    return this.send({ type: "tick" });
  }

  register(id: string, part: Partial<HostRegistration> = {}): void {
    this.send({ type: "host-registered", registration: aRegistration(id, part) });
  }

  /** Registers a host and lets it be heard. */
  join(id: string, beat: Partial<FleetBeat> = {}, registration: Partial<HostRegistration> = {}): Effect[] {
    this.register(id, registration);
    return this.beat(id, beat);
  }

  beat(hostId: string, part: Partial<FleetBeat> = {}): Effect[] {
    const sequence = (this.sequences.get(hostId) ?? 0) + 1;
    this.sequences.set(hostId, sequence);
    return this.send({ type: "heartbeat", hostId, beat: aBeat({ sequence, ...part }) });
  }

  acquire(requestId: string, part: Partial<LeaseRequest> = {}): Effect[] {
    return this.send({ type: "acquire", request: aRequest(requestId, part), leaseId: `L-${requestId}` });
  }

  settle(requestId: string, outcome: Outcome = { type: "served" }): Effect[] {
    return this.send({ type: "settle", leaseId: `L-${requestId}`, outcome });
  }

  fail(requestId: string): Effect[] {
    return this.settle(requestId, { type: "host-failed", reason: "reset" });
  }
}

/** Says in one word per request how the effects ended it: the host's id, or the code of the refusal. */
export function ends(effects: readonly Effect[]): Record<string, string> {
  const answers: Record<string, string> = {};
  for (const effect of effects) {
    if (effect.type === "granted") answers[effect.requestId] = effect.grant.hostId;
    if (effect.type === "refused") answers[effect.requestId] = effect.refusal.code;
  }
  return answers;
}

export function grantIn(effects: readonly Effect[]): Grant {
  for (const effect of effects) if (effect.type === "granted") return effect.grant;
  throw new Error("nothing was granted");
}

export function refusalIn(effects: readonly Effect[]): Refusal {
  for (const effect of effects) if (effect.type === "refused") return effect.refusal;
  throw new Error("nothing was refused");
}
