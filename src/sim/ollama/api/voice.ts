// How one API words what the model says: native, OpenAI or Anthropic style. One file each.

export type ToolCallPiece = { readonly id: string; readonly name: string; readonly arguments: unknown };

export type Logprob = {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[];
  readonly top_logprobs?: readonly Omit<Logprob, "top_logprobs">[];
};

/** Durations in nanoseconds. */
type Metrics = {
  readonly total_duration: number;
  readonly load_duration: number;
  readonly prompt_eval_count: number;
  readonly prompt_eval_duration: number;
  readonly eval_count: number;
  readonly eval_duration: number;
};

/** A step of an answer, or the whole of it. */
export type Piece = {
  /** As the caller spelled it. */
  readonly model: string;
  /** Epoch ms, with fractions. */
  readonly createdAt: number;
  readonly content: string;
  readonly thinking: string;
  readonly toolCalls: readonly ToolCallPiece[];
  readonly logprobs: readonly Logprob[];
  readonly done: boolean;
  readonly doneReason: string;
  readonly metrics: Metrics | undefined;
  /** Only of /api/generate. */
  readonly context: readonly number[] | undefined;
};

export type Voice = {
  readonly streamType: string;
  readonly wholeType: string;
  /** The body of an error that comes before the first byte, and its media type where it is not the usual one. */
  readonly failure: (status: number, message: string) => string;
  readonly failureType: string;
  readonly whole: (piece: Piece) => string;
  /** Each text is one write. */
  readonly records: (piece: Piece) => string[];
  /** What follows when the runner dies in the middle of a stream. */
  readonly crashed: (message: string) => string[];
};

/** A piece in which nothing is said. */
export function emptyPiece(model: string): Piece {
  return {
    model,
    createdAt: preciseNow(),
    content: "",
    thinking: "",
    toolCalls: [],
    logprobs: [],
    done: false,
    doneReason: "",
    metrics: undefined,
    context: undefined,
  };
}

/** Epoch ms with fractions. */
export function preciseNow(): number {
  return performance.timeOrigin + performance.now();
}
