// A simulated host to be asked things in virtual time, and what became of them.
import { HOST_KINDS, MODEL_KINDS } from "../../../src/sim/routing/calibration.ts";
import { SimulatedHost } from "../../../src/sim/routing/host-model.ts";
import type { Call, HostRequest, HostSpec, Served } from "../../../src/sim/routing/host-spec.ts";
import { VirtualTime } from "../../../src/sim/routing/virtual-time.ts";

export const SMALL = MODEL_KINDS["llama3.2:3b"];
export const MODEL = MODEL_KINDS["llama3:8b"];
export const LARGE = MODEL_KINDS["qwen2.5:14b"];
export const HUGE = MODEL_KINDS["qwen2.5:32b"];
export const EMBEDDER = MODEL_KINDS["nomic-embed-text"];
export const WARM_MS = 60_000;

export interface Asked extends Partial<Omit<HostRequest, "prompt">> {
  readonly at?: number;
  readonly tokens?: number;
  readonly blocks?: readonly number[];
  /** When its client hangs up. */
  readonly leavesAt?: number;
}

export interface Fate {
  result?: Served;
  refused?: number;
  failed?: boolean;
}

export class HostBench {
  readonly time = new VirtualTime();
  #nextBlock = 1;

  /** An RTX 3090 with one slot and all models, unless told otherwise. */
  hostOf(changes: Partial<HostSpec> = {}): SimulatedHost {
    const models = [SMALL, MODEL, LARGE, HUGE, EMBEDDER];
    return new SimulatedHost({ id: "a", kind: HOST_KINDS.rtx3090, parallel: 1, models, ...changes }, this.time);
  }

  /** Asks a host; a prompt shares nothing with others unless its blocks are given. */
  ask(host: SimulatedHost, { at = this.time.now, tokens = 512, blocks, leavesAt, ...rest }: Asked = {}): Fate {
    const fate: Fate = {};
    this.#nextBlock += 1000;
    const fresh = Array.from({ length: Math.ceil(tokens / 512) }, (_, index) => this.#nextBlock + index);
    const prompt = { tokens, blocks: blocks ?? fresh, blockTokens: 512 };
    const request = { model: MODEL.name, outputTokens: 1, numCtx: 8_192, ...rest, prompt };
    let call: Call | undefined;
    this.time.at(at, () => {
      call = host.submit(request, {
        served: (result) => {
          fate.result = result;
        },
        refused: (status) => {
          fate.refused = status;
        },
        failed: () => {
          fate.failed = true;
        },
      });
    });
    if (leavesAt !== undefined) this.time.at(leavesAt, () => call?.cancel());
    return fate;
  }

  /** Loads models before the instant at which a test begins. */
  warm(host: SimulatedHost, ...names: string[]): void {
    for (const model of names) this.ask(host, { model, keepAliveMs: Infinity, outputTokens: 1 });
    this.time.runUntil(WARM_MS);
  }
}

export function resultOf({ result }: Fate): Served {
  if (result === undefined) throw new Error("not served");
  return result;
}

/** Names of the models in memory, in order of loading. */
export function loadedOn(host: SimulatedHost): string[] {
  return host.loadedModels.map(({ model }) => model);
}
