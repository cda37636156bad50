// A simulated host as the fleet sees it: its registration, its heartbeats, the requests it runs.
import type { FleetBeat } from "../../core/fleet.ts";
import type { FinishedLease } from "../../wire/heartbeat.ts";
import type { HostRegistration } from "../../wire/host.ts";
import { SimulatedHost } from "./host-model.ts";
import type { Call, Client, HostRequest, HostSpec, Served } from "./host-spec.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** In a simulation models have their names as keys and digests, and nobody signs anything. */
const NO_KEY = "A".repeat(43);

/** The agent's part: knows which lease is which request, and reports. */
export class FleetHost {
  readonly host: SimulatedHost;
  up = true;
  /** How often it has started. */
  lives = 1;
  readonly #time: VirtualTime;
  readonly #active = new Map<string, { model: string; startedAt: number }>();
  #finished: FinishedLease[] = [];
  #sequence = 0;

  constructor(spec: HostSpec, time: VirtualTime) {
    this.host = new SimulatedHost(spec, time);
    this.#time = time;
  }

  get id(): string {
    return this.host.spec.id;
  }

  /** Writes what the operator and the host agreed on. */
  register(): HostRegistration {
    return {
      id: this.id,
      url: `https://${this.id}.example`,
      pool: "default",
      region: "local",
      signingKey: { kty: "OKP", crv: "Ed25519", x: NO_KEY },
      agreementKey: { kty: "OKP", crv: "X25519", x: NO_KEY },
      registeredAt: this.#time.now,
      drained: false,
    };
  }

  /** Runs a request under a lease. */
  run(leaseId: string, request: HostRequest, client: Required<Client>): Call {
    this.#active.set(leaseId, { model: request.model, startedAt: this.#time.now });
    const call = this.host.submit(request, {
      firstToken: (now) => client.firstToken(now),
      served: (result) => {
        this.#active.delete(leaseId);
        this.#finished.push(finishedLease(leaseId, request.model, result));
        client.served(result);
      },
      refused: (status) => {
        this.#active.delete(leaseId);
        client.refused(status);
      },
      failed: () => {
        this.#active.delete(leaseId);
        client.failed();
      },
    });
    return {
      cancel: () => {
        this.#active.delete(leaseId);
        call.cancel();
      },
    };
  }

  /** Loads a model for nobody in particular (an empty prompt), with the host's own context unless told. */
  load(model: string, keepAliveMs?: number, numCtx?: number): void {
    const prompt = { tokens: 1, blocks: [], blockTokens: 1 };
    this.host.submit({ model, prompt, outputTokens: 1, keepAliveMs, numCtx }, {});
  }

  /** Dies: what it runs fails, and nothing is heard of it. */
  crash(): void {
    this.up = false;
    this.#finished = [];
    this.host.crash();
  }

  /** Comes back as another run of its agent. */
  restart(): void {
    this.up = true;
    this.lives += 1;
    this.#sequence = 0;
  }

  /** Writes the next heartbeat. */
  beat(): FleetBeat {
    const { spec, loadedModels, freeBytes } = this.host;
    const finished = this.#finished;
    this.#finished = [];
    this.#sequence += 1;
    return {
      runId: `run-${this.lives}-of-${this.id}`,
      sequence: this.#sequence,
      agentVersion: "0",
      ollamaVersion: spec.hostCacheBytes === 0 ? "0.29.0" : "0.33.0",
      backend: "up",
      models: spec.models.map(({ name, weightBytes, maxContext, serial }) => {
        const base = { key: name, name, digest: name, sizeBytes: weightBytes, contextLength: maxContext };
        const capabilities = [serial === true ? "embedding" : "completion"];
        return { ...base, modifiedAt: "2026-01-01T00:00:00Z", capabilities };
      }),
      running: loadedModels.map(({ model, numCtx, sizeBytes, sizeVramBytes }) => {
        const base = { key: model, name: model, digest: model, contextLength: numCtx };
        return { ...base, sizeBytes, sizeVramBytes, expiresAt: "2318-01-01T00:00:00Z" };
      }),
      slots: spec.slots ?? spec.parallel * this.host.maxLoaded,
      parallel: spec.parallel,
      vramTotalBytes: spec.kind.memoryBytes,
      vramFreeBytes: freeBytes,
      active: [...this.#active].map(([id, { model, startedAt }]) => ({ id, model, startedAt })),
      finished,
    };
  }
}

/** As Ollama's final chunk has it: the prompt's tokens with those cached, its time without. */
function finishedLease(id: string, model: string, served: Served): FinishedLease {
  return {
    id,
    model,
    outcome: "served",
    promptTokens: served.promptTokens,
    promptMs: served.firstTokenAt - served.submittedAt - served.loadMs - served.slotWaitMs,
    outputTokens: served.outputTokens,
    outputMs: served.finishedAt - served.firstTokenAt,
    loadMs: served.loadMs,
    totalMs: served.finishedAt - served.submittedAt,
  };
}
