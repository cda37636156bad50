// Faults on demand: which go wrong next, for which endpoint and model, and how often.
import { parseModelName } from "../../wire/model-name.ts";

type FaultKind =
  /** Nothing listens any more, until the faults are cleared. */
  | { readonly kind: "refuse" }
  /** The connection is reset before any header. */
  | { readonly kind: "reset" }
  /** Says nothing more after so many tokens; 0 is before the header. */
  | { readonly kind: "hang"; readonly afterTokens: number }
  /** The socket is destroyed when this token is due: the machine has died. */
  | { readonly kind: "die"; readonly atToken: number }
  /** The model runner stops when this token is due: Ollama lives and says so; 0 is before the first byte. */
  | { readonly kind: "crash"; readonly atToken: number }
  | { readonly kind: "slow"; readonly tokensPerSecond: number }
  | { readonly kind: "load_failure"; readonly message?: string }
  | { readonly kind: "busy" }
  /** The client's leaving goes unnoticed until its connection is reset. */
  | { readonly kind: "deaf" }
  /** The stream is not what it should be. */
  | { readonly kind: "frames"; readonly frames: WrongFrames };

/**
 * `bad_json`: the second record is cut in half. `missing_done`: the last record is left out, and the end is clean.
 * `split_utf8`: every write ends inside a character where it can. `single_bytes`: every byte is a write of its own.
 * `error_first`: status 200 and nothing but an error record.
 */
export type WrongFrames = "bad_json" | "missing_done" | "split_utf8" | "single_bytes" | "error_first";

export type Fault = FaultKind & {
  /** How many requests it meets; without it all, until cleared. */
  readonly times?: number;
  /** A path such as `/api/chat`; without it every inference endpoint, and no other. */
  readonly endpoint?: string;
  /** Only requests for this model, however it is spelled. */
  readonly model?: string;
};

export class Faults {
  private armed: { readonly fault: Fault; left: number }[] = [];

  set(fault: Fault): void {
    this.armed.push({ fault, left: fault.times ?? Number.POSITIVE_INFINITY });
  }

  clear(): void {
    this.armed = [];
  }

  /** The first fault that is meant for this request, used up once. */
  take(request: FaultyRequest): Fault | undefined {
    if (this.armed.length === 0) return undefined;
    const found = this.armed.find(({ fault }) => fits(fault, request));
    if (found === undefined) return undefined;
    found.left--;
    if (found.left <= 0) this.armed.splice(this.armed.indexOf(found), 1);
    return found.fault;
  }
}

interface FaultyRequest {
  readonly path: string;
  readonly inference: boolean;
  readonly model: string;
  /** False for a request that only loads or unloads: what strikes at a token does not meet it. */
  readonly speaks: boolean;
}

function fits(fault: Fault, request: FaultyRequest): boolean {
  if (fault.kind === "refuse" || (!request.speaks && strikesAtToken(fault))) return false;
  if (fault.endpoint === undefined ? !request.inference : fault.endpoint !== request.path) return false;
  return fault.model === undefined || canonical(fault.model) === canonical(request.model);
}

function strikesAtToken(fault: Fault): boolean {
  switch (fault.kind) {
    case "hang":
      return fault.afterTokens > 0;
    case "die":
      return fault.atToken > 0;
    case "crash":
    case "slow":
    case "deaf":
    case "frames":
      return true;
    default:
      return false;
  }
}

function canonical(name: string): string {
  const parsed = parseModelName(name);
  return parsed.ok ? parsed.value.canonical : name;
}
