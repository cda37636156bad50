// The way of every text request through the host: model, capabilities, runner, tokens, last record.
import type { ModelName } from "../../../wire/model-name.ts";
import type { Answer } from "../machine/answer.ts";
import type { Exchange } from "../exchange.ts";
import type { Fault } from "../faults.ts";
import type { Host } from "../host.ts";
import type { Capability } from "../machine/model.ts";
import type { ModelOptions } from "./model-options.ts";
import type { GenerationTimes, Runner } from "../machine/runner.ts";
import type { StoredModel } from "../machine/store.ts";
import type { Piece, Voice } from "./voice.ts";
import { parseModelName } from "../../../wire/model-name.ts";
import { logprobOf } from "./logprobs.ts";
import { Canceled } from "../machine/pause.ts";
import { Refusal } from "../refusal.ts";
import { RunnerCrashed, elapsedNs } from "../machine/runner.ts";
import { LoadFailed, QueueFull } from "../machine/scheduler.ts";
import { emptyPiece, preciseNow } from "./voice.ts";

const CRASH_MESSAGE =
  "model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, " +
  "check ollama server logs for details";
const MID_STREAM_CRASH_MESSAGE = "an error was encountered while running the model: unexpected EOF";
const LOAD_FAILURE_MESSAGE = "model requires more system memory (12.3 GiB) than is available (4.5 GiB)";
export const CLOUD_MODEL_OFF = "remote model is unavailable";

/** Ollama's writeModelRefParseError: what to answer when a model name is none. */
export function modelNameOrRefuse(
  spelled: string,
  required: { readonly status: number; readonly message: string },
  cloudOff: string = CLOUD_MODEL_OFF,
): ModelName {
  const parsed = parseModelName(spelled);
  if (parsed.ok) {
    if (parsed.value.source === "cloud") throw new Refusal(403, `ollama cloud is disabled: ${cloudOff}`);
    return parsed.value;
  }
  if (parsed.error.code === "required") throw new Refusal(required.status, required.message);
  throw new Refusal(400, parsed.error.message);
}

/** A stub of a cloud model cannot be run while the cloud is off. */
export function refuseRemote(model: StoredModel): void {
  if (model.remote !== undefined) throw new Refusal(403, `ollama cloud is disabled: ${CLOUD_MODEL_OFF}`);
}

/** Ollama's CheckCapabilities, for what a request needs. */
export function requireCapabilities(
  model: StoredModel,
  spelled: string,
  needs: readonly Capability[],
  verb: string,
): void {
  const missing = needs.filter((need) => !model.capabilities.includes(need));
  if (missing.length === 0) return;
  if (missing.includes("completion")) throw new Refusal(400, `${JSON.stringify(spelled)} does not support ${verb}`);
  const full = `${model.parsed.host}/${model.parsed.namespace}/${model.parsed.model}:${model.parsed.tag}`;
  throw new Refusal(400, `${full} does not support ${missing.join("\n")}`);
}

type HeldRunner = { readonly runner: Runner; readonly release: () => void; readonly loadNs: number };

/** Holds the model's runner, loading it where needed; failures become the answers Ollama gives. */
export async function holdRunner(
  host: Host,
  exchange: Exchange,
  want: { readonly model: StoredModel; readonly options: ModelOptions; readonly keepAliveMs: number | null },
  fault: Fault | undefined,
): Promise<HeldRunner> {
  const started = performance.now();
  try {
    const held = await host.scheduler.hold({
      model: want.model,
      options: want.options.runner,
      keepAliveMs: want.keepAliveMs ?? undefined,
      signal: exchange.signal,
      loadFailure: fault?.kind === "load_failure" ? (fault.message ?? LOAD_FAILURE_MESSAGE) : undefined,
    });
    return { ...held, loadNs: elapsedNs(started) };
  } catch (error) {
    if (error instanceof QueueFull) throw new Refusal(503, error.message);
    if (error instanceof LoadFailed) throw new Refusal(500, error.message);
    if (error instanceof Canceled) throw new Refusal(499, "request canceled");
    throw error;
  }
}

/** Faults that strike before anything else is done; true when the request is over. */
export async function strikeEarly(exchange: Exchange, fault: Fault | undefined): Promise<boolean> {
  if (fault === undefined) return false;
  // With nobody listening for the end of the client's half, only a reset is felt.
  if (fault.kind === "deaf") exchange.request.socket.removeAllListeners("end");
  if (fault.kind === "busy") throw new Refusal(503, new QueueFull().message);
  if (fault.kind === "reset" || (fault.kind === "die" && fault.atToken === 0)) {
    await exchange.reply.die();
    return true;
  }
  if (fault.kind === "hang" && fault.afterTokens === 0) {
    await untilGone(exchange.signal);
    return true;
  }
  return false;
}

/** Waits until the client has left. */
async function untilGone(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

export type Job = {
  /** As the caller spelled it. */
  readonly spelled: string;
  readonly stream: boolean;
  readonly answer: Answer;
  readonly prompt: string;
  readonly promptTokens: number;
  readonly topLogprobs: number | undefined;
  /** Makes `context` out of what was said. */
  readonly contextOf: ((said: string) => number[]) | undefined;
  readonly voice: Voice;
  readonly fault: Fault | undefined;
  readonly startedMs: number;
};

/** Lets the runner say the answer, and writes it as it comes or whole. */
export async function speak(exchange: Exchange, held: HeldRunner, job: Job): Promise<void> {
  if (job.fault?.kind === "frames" && job.fault.frames === "error_first") return sayOnlyError(exchange, job);
  const promptTokens = Math.min(job.promptTokens, held.runner.contextLength);
  const speaker = new Speaker(exchange, { ...job, promptTokens });
  let times: GenerationTimes;
  try {
    times = await held.runner.generate({
      prompt: job.prompt,
      promptTokens,
      answer: job.answer,
      decodeTokensPerSecond: job.fault?.kind === "slow" ? job.fault.tokensPerSecond : undefined,
      signal: exchange.signal,
      onToken: (token, position) => speaker.hear(token, position),
    });
  } catch (error) {
    if (error instanceof RunnerCrashed) return speaker.crash();
    throw error;
  }
  await speaker.finish({ times, loadNs: held.loadNs });
}

function sayOnlyError(exchange: Exchange, job: Job): void {
  if (!job.stream) return exchange.reply.whole(200, job.voice.wholeType, job.voice.failure(500, CRASH_MESSAGE));
  exchange.reply.begin(job.voice.streamType);
  for (const record of job.voice.crashed(CRASH_MESSAGE)) void exchange.reply.record(record);
  exchange.reply.end();
}

class Speaker {
  private content = "";
  private thinking = "";
  private readonly logprobs: Piece["logprobs"][number][] = [];
  private readonly exchange: Exchange;
  private readonly job: Job;
  private begun = false;
  private heard = 0;

  constructor(exchange: Exchange, job: Job) {
    this.exchange = exchange;
    this.job = job;
    if (job.fault?.kind === "frames") exchange.reply.frames = job.fault.frames;
  }

  hear(token: string, position: number): Promise<void> | undefined {
    const struck = this.strike(position);
    if (struck !== undefined) return struck;
    this.heard++;
    const { job } = this;
    const thinks = position < job.answer.thinkingTokens;
    const logprobs = job.topLogprobs === undefined ? [] : [logprobOf(token, position, job.topLogprobs)];
    if (thinks) this.thinking += token;
    else this.content += token;
    if (!job.stream) {
      this.logprobs.push(...logprobs);
      return undefined;
    }
    const piece = { ...emptyPiece(job.spelled), content: thinks ? "" : token, thinking: thinks ? token : "", logprobs };
    return this.write(job.voice.records(piece));
  }

  async finish(ended: { readonly times: GenerationTimes; readonly loadNs: number }): Promise<void> {
    const { job, exchange } = this;
    const { answer } = job;
    const piece: Piece = {
      ...emptyPiece(job.spelled),
      createdAt: preciseNow(),
      toolCalls: answer.toolCalls,
      done: true,
      doneReason: answer.doneReason,
      context: job.contextOf?.(this.content),
      metrics: {
        total_duration: elapsedNs(job.startedMs),
        load_duration: ended.loadNs,
        prompt_eval_count: job.promptTokens,
        prompt_eval_duration: ended.times.promptEvalNs,
        eval_count: answer.thinkingTokens + answer.contentTokens + answer.toolCalls.length,
        eval_duration: ended.times.evalNs,
      },
    };
    if (!job.stream) {
      const whole = { ...piece, content: this.content, thinking: this.thinking, logprobs: this.logprobs };
      exchange.reply.whole(200, job.voice.wholeType, job.voice.whole(whole));
      return;
    }
    const missing = exchange.reply.frames === "missing_done";
    if (!missing) await this.write(job.voice.records(piece));
    exchange.reply.end();
  }

  /** The runner died: an error record where the answer has begun, else an error. */
  crash(): void {
    const { job, exchange } = this;
    const message = this.heard === 0 ? CRASH_MESSAGE : MID_STREAM_CRASH_MESSAGE;
    if (!this.begun) throw new Refusal(500, message, job.stream);
    void this.write(job.voice.crashed(MID_STREAM_CRASH_MESSAGE));
    exchange.reply.end();
  }

  private strike(position: number): Promise<void> | undefined {
    const { fault } = this.job;
    if (fault === undefined) return undefined;
    if (fault.kind === "crash" && position >= fault.atToken) throw new RunnerCrashed();
    if (fault.kind === "hang" && position >= fault.afterTokens) return untilGone(this.exchange.signal);
    if (fault.kind !== "die" || position < fault.atToken) return undefined;
    return Promise.all([this.exchange.reply.die(), untilGone(this.exchange.signal)]).then(() => undefined);
  }

  private write(records: readonly string[]): Promise<void> | undefined {
    const { reply } = this.exchange;
    if (!this.begun) {
      this.begun = true;
      reply.begin(this.job.voice.streamType);
    }
    let behind: Promise<void> | undefined;
    for (const record of records) behind = reply.record(record);
    return behind;
  }
}
