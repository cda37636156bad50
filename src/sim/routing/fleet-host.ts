// A simulated host as the fleet sees it: its registration, its heartbeats, the leases it runs.
import type { FleetBeat } from "../../core/fleet.ts";
import type { FinishedLease } from "../../wire/heartbeat.ts";
import type { HostRegistration } from "../../wire/host.ts";
import { SimulatedHost } from "./host-model.ts";
import type { Client, HostRequest, HostSpec, Served } from "./host-model.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** In a simulation models have their names as keys and digests, and nobody signs anything. */
const NO_KEY = "A".repeat(43);

/** The agent's part: knows which lease is which request, and reports. */
export class FleetHost {
  readonly host: SimulatedHost;
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
  run(leaseId: string, request: HostRequest, client: Required<Pick<Client, "served" | "refused">>): void {
    this.#active.set(leaseId, { model: request.model, startedAt: this.#time.now });
    this.host.submit(request, {
      served: (result) => {
        this.#active.delete(leaseId);
        this.#finished.push(finishedLease(leaseId, request.model, result));
        client.served(result);
      },
      refused: (status) => {
        this.#active.delete(leaseId);
        client.refused(status);
      },
    });
  }

  /** Writes the next heartbeat. */
  beat(): FleetBeat {
    const { spec, loadedModels, freeBytes } = this.host;
    const finished = this.#finished;
    this.#finished = [];
    this.#sequence += 1;
    return {
      runId: `run-of-${this.id}`,
      sequence: this.#sequence,
      agentVersion: "0",
      ollamaVersion: "0.33.0",
      backend: "up",
      models: spec.models.map(({ name, weightBytes, maxContext }) => {
        const base = { key: name, name, digest: name, sizeBytes: weightBytes, contextLength: maxContext };
        return { ...base, modifiedAt: "2026-01-01T00:00:00Z", capabilities: ["completion"] };
      }),
      running: loadedModels.map(({ model, numCtx, sizeBytes, sizeVramBytes }) => {
        const base = { key: model, name: model, digest: model, contextLength: numCtx };
        return { ...base, sizeBytes, sizeVramBytes, expiresAt: "2318-01-01T00:00:00Z" };
      }),
      slots: spec.parallel * this.host.maxLoaded,
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
