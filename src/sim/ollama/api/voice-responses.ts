// The words of /v1/responses, as Ollama makes them out of its own records.
import type { ResponsesRequest } from "./responses-requests.ts";
import type { Piece, ToolCallPiece, Voice } from "./voice.ts";
import { goJson, goSortedJson, sortKeys } from "../go/go-json.ts";
import { EVENT_STREAM, openaiFailure } from "./voice-openai.ts";

type Event = { readonly type: string; readonly data: Record<string, unknown> };

function randomNumber(): number {
  return Math.floor(Math.random() * 999_999);
}

/** Voice of one /v1/responses request. */
export function responsesVoice(request: ResponsesRequest): Voice {
  const stream = new ResponseStream(request);
  return {
    ...openaiFailure,
    streamType: EVENT_STREAM,
    wholeType: "application/json",
    whole: (piece) => `${goJson(wholeResponse(request, piece))}\n`,
    records: (piece) => stream.records(piece),
    // Ollama's error record is an empty chat record here: nothing is said and the stream ends.
    crashed: () => [],
  };
}

/** Turns pieces into numbered events; keeps what the closing events repeat. */
class ResponseStream {
  private readonly id = `resp_${randomNumber()}`;
  private readonly messageId = `msg_${randomNumber()}`;
  private readonly request: ResponsesRequest;
  private readonly completed: object[] = [];
  private reasoningId = "";
  private thinking = "";
  private text = "";
  private textBegun = false;
  private begun = false;
  private toolsSent = false;
  private outputIndex = 0;
  private sequence = 0;

  constructor(request: ResponsesRequest) {
    this.request = request;
  }

  records(piece: Piece): string[] {
    const events = [
      ...this.start(),
      ...this.think(piece.thinking),
      ...this.call(piece.toolCalls),
      ...(this.toolsSent ? [] : this.say(piece.content)),
      ...(piece.done ? this.finish(piece) : []),
    ];
    return events.map(({ type, data }) => {
      const numbered = { ...data, type, sequence_number: this.sequence++ };
      return `event: ${type}\ndata: ${goSortedJson(numbered)}\n\n`;
    });
  }

  private start(): Event[] {
    if (this.begun) return [];
    this.begun = true;
    const response = responseObject(this.request, { id: this.id, status: "in_progress", output: [], usage: null });
    return [
      { type: "response.created", data: { response } },
      { type: "response.in_progress", data: { response } },
    ];
  }

  private think(thinking: string): Event[] {
    if (thinking === "") return [];
    const events: Event[] = [];
    if (this.reasoningId === "") {
      this.reasoningId = `rs_${randomNumber()}`;
      const item = { id: this.reasoningId, type: "reasoning", summary: [] };
      events.push({ type: "response.output_item.added", data: { output_index: this.outputIndex, item } });
    }
    this.thinking += thinking;
    const where = { item_id: this.reasoningId, output_index: this.outputIndex, summary_index: 0 };
    return [...events, { type: "response.reasoning_summary_text.delta", data: { ...where, delta: thinking } }];
  }

  private endThinking(): Event[] {
    if (this.reasoningId === "") return [];
    const id = this.reasoningId;
    const text = this.thinking;
    const item = { id, type: "reasoning", summary: [{ type: "summary_text", text }], encrypted_content: text };
    this.completed.push(item);
    this.reasoningId = "";
    this.thinking = "";
    const output_index = this.outputIndex++;
    return [
      { type: "response.reasoning_summary_text.done", data: { item_id: id, output_index, summary_index: 0, text } },
      { type: "response.output_item.done", data: { output_index, item } },
    ];
  }

  private call(calls: readonly ToolCallPiece[]): Event[] {
    if (calls.length === 0) return [];
    this.toolsSent = true;
    const before = this.endThinking();
    return [...before, ...calls.flatMap((call, index) => this.oneCall(call, index))];
  }

  private oneCall(call: ToolCallPiece, index: number): Event[] {
    const id = `fc_${randomNumber()}_${index}`;
    const text = goJson(call.arguments);
    const item = { id, type: "function_call", call_id: call.id, name: call.name };
    const done = { ...item, status: "completed", arguments: text };
    this.completed.push(done);
    const output_index = this.outputIndex++;
    return [
      {
        type: "response.output_item.added",
        data: { output_index, item: { ...item, status: "in_progress", arguments: "" } },
      },
      { type: "response.function_call_arguments.delta", data: { item_id: id, output_index, delta: text } },
      { type: "response.function_call_arguments.done", data: { item_id: id, output_index, arguments: text } },
      { type: "response.output_item.done", data: { output_index, item: done } },
    ];
  }

  private say(content: string): Event[] {
    if (content === "") return [];
    const events = this.endThinking();
    const where = { item_id: this.messageId, output_index: this.outputIndex, content_index: 0 };
    if (!this.textBegun) {
      this.textBegun = true;
      const item = { id: this.messageId, type: "message", status: "in_progress", role: "assistant", content: [] };
      events.push(
        { type: "response.output_item.added", data: { output_index: this.outputIndex, item } },
        { type: "response.content_part.added", data: { ...where, part: textPart("") } },
      );
    }
    this.text += content;
    return [...events, { type: "response.output_text.delta", data: { ...where, delta: content, logprobs: [] } }];
  }

  private finish(piece: Piece): Event[] {
    const events = this.endThinking();
    const item = {
      id: this.messageId,
      type: "message",
      status: "completed",
      role: "assistant",
      content: [textPart(this.text)],
    };
    if (this.textBegun && !this.toolsSent) {
      const where = { item_id: this.messageId, output_index: this.outputIndex, content_index: 0 };
      events.push(
        { type: "response.output_text.done", data: { ...where, text: this.text, logprobs: [] } },
        { type: "response.content_part.done", data: { ...where, part: textPart(this.text) } },
        { type: "response.output_item.done", data: { output_index: this.outputIndex, item } },
      );
    }
    const output = this.textBegun ? [...this.completed, item] : this.completed;
    const usage = usageOf(piece);
    const response = responseObject(this.request, { id: this.id, status: "completed", output, usage });
    return [...events, { type: "response.completed", data: { response: { ...response, completed_at: nowSeconds() } } }];
  }
}

function textPart(text: string): object {
  return { type: "output_text", text, annotations: [], logprobs: [] };
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

function usageOf(piece: Piece): object {
  const input = piece.metrics?.prompt_eval_count ?? 0;
  const output = piece.metrics?.eval_count ?? 0;
  return {
    input_tokens: input,
    output_tokens: output,
    total_tokens: input + output,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens_details: { reasoning_tokens: 0 },
  };
}

type Filled = {
  readonly id: string;
  readonly status: string;
  readonly output: readonly object[];
  readonly usage: object | null;
};

/** The response object with every field that the API has, in Ollama's order. */
function responseObject(request: ResponsesRequest, filled: Filled): Record<string, unknown> {
  const { effort, summary } = request.reasoning;
  const reasoning = effort === "" && summary === "" ? null : { effort: effort || null, summary: summary || null };
  return {
    id: filled.id,
    object: "response",
    created_at: nowSeconds(),
    completed_at: null,
    status: filled.status,
    incomplete_details: null,
    model: request.model,
    previous_response_id: null,
    instructions: request.instructions === "" ? null : request.instructions,
    output: filled.output,
    error: null,
    tools: (request.tools ?? []).map(({ type, name, description, strict, parameters }) => ({
      type,
      name,
      description,
      strict,
      // A Go map: its keys come sorted.
      parameters: sortKeys(parameters),
    })),
    tool_choice: "auto",
    truncation: request.truncation ?? "disabled",
    parallel_tool_calls: true,
    text: { format: textFormat(request) },
    top_p: request.top_p ?? 1,
    presence_penalty: 0,
    frequency_penalty: 0,
    top_logprobs: 0,
    temperature: request.temperature ?? 1,
    reasoning,
    usage: filled.usage,
    max_output_tokens: request.max_output_tokens,
    max_tool_calls: null,
    store: false,
    background: request.background,
    service_tier: "default",
    metadata: {},
    safety_identifier: null,
    prompt_cache_key: null,
  };
}

function textFormat(request: ResponsesRequest): object {
  const format = request.text?.format;
  if (format === undefined || format === null) return { type: "text" };
  const { type, name, schema, strict } = format;
  return {
    type,
    ...(name === "" ? {} : { name }),
    ...(schema === null ? {} : { schema }),
    ...(strict === null ? {} : { strict }),
  };
}

function wholeResponse(request: ResponsesRequest, piece: Piece): object {
  const id = `resp_${randomNumber()}`;
  const reasoning = {
    id: `rs_${id}`,
    type: "reasoning",
    summary: [{ type: "summary_text", text: piece.thinking }],
    encrypted_content: piece.thinking,
  };
  const calls = piece.toolCalls.map((call, index) => ({
    id: `fc_${id}_${index}`,
    type: "function_call",
    status: "completed",
    call_id: call.id,
    name: call.name,
    arguments: goJson(call.arguments),
  }));
  const message = {
    id: `msg_${randomNumber()}`,
    type: "message",
    status: "completed",
    role: "assistant",
    content: [textPart(piece.content)],
  };
  const output = [...(piece.thinking === "" ? [] : [reasoning]), ...(calls.length === 0 ? [message] : calls)];
  const response = responseObject(request, { id, status: "completed", output, usage: usageOf(piece) });
  const { effort, summary } = request.reasoning;
  const asked = { ...(effort === "" ? {} : { effort }), ...(summary === "" ? {} : { summary }) };
  return { ...response, completed_at: nowSeconds(), reasoning: effort === "" && summary === "" ? null : asked };
}
