// /v1/audio/transcriptions: a form with a sound file, turned into a chat about it.
import type { Exchange } from "../exchange.ts";
import type { Host } from "../host.ts";
import type { Voice } from "./voice.ts";
import { answerChat } from "./chat.ts";
import { sendJson } from "../exchange.ts";
import { goJson } from "../go/go-json.ts";
import { chatRequest } from "./native-requests.ts";
import { EMPTY_MESSAGE } from "./openai-chat.ts";
import { Refusal } from "../refusal.ts";
import { openaiError, openaiFailure } from "./voice-openai.ts";

export async function handleTranscription(host: Host, exchange: Exchange): Promise<void> {
  try {
    const form = await readForm(exchange);
    await answerChat(host, exchange, {
      request: {
        ...chatRequest.zero(),
        model: form.model,
        stream: true,
        messages: [
          { ...EMPTY_MESSAGE, role: "system", content: `Transcribe the audio exactly as spoken. ${form.prompt}` },
          { ...EMPTY_MESSAGE, role: "user", content: "What exact words are spoken?", images: [form.audio] },
        ],
      },
      voice: transcriptionVoice(form.textOnly),
      maxTokens: undefined,
      relaxThinking: false,
    });
  } catch (error) {
    if (!(error instanceof BadForm)) throw error;
    sendJson(exchange, 400, openaiError(400, error.message));
  }
}

class BadForm extends Refusal {
  override name = "BadForm";

  constructor(message: string) {
    super(400, message);
  }
}

async function readForm(exchange: Exchange): Promise<{
  readonly model: string;
  readonly prompt: string;
  readonly audio: string;
  readonly textOnly: boolean;
}> {
  const type = exchange.request.headers["content-type"] ?? "";
  if (!type.toLowerCase().startsWith("multipart/form-data")) {
    throw new BadForm("failed to parse multipart form: request Content-Type isn't multipart/form-data");
  }
  if (!/boundary=/i.test(type)) {
    throw new BadForm("failed to parse multipart form: no multipart boundary param in Content-Type");
  }
  let form: FormData;
  try {
    form = await new Response(new Uint8Array(exchange.body), { headers: { "content-type": type } }).formData();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // Go finds the end missing either where a part should begin or inside one.
    const reason = exchange.body.includes("\r\n\r\n") ? "unexpected EOF" : "multipart: NextPart: EOF";
    throw new BadForm(`failed to parse multipart form: ${reason}`);
  }
  const model = textOf(form.get("model"));
  if (model === "") throw new BadForm("model is required");
  const file = form.get("file");
  if (file === null || typeof file === "string") throw new BadForm("file is required: http: no such file");
  const audio = Buffer.from(await file.arrayBuffer()).toString("base64");
  if (audio === "") throw new BadForm("audio file is empty");
  const textOnly = textOf(form.get("response_format")) === "text";
  return { model, prompt: textOf(form.get("prompt")), audio, textOnly };
}

function textOf(value: ReturnType<FormData["get"]>): string {
  return typeof value === "string" ? value : "";
}

/** Collects what is said; the answer is its text, sent when all is said. */
function transcriptionVoice(textOnly: boolean): Voice {
  let said = "";
  return {
    ...openaiFailure,
    // Ollama flushes before it has anything to say, so the media type of its own records stays.
    streamType: "application/x-ndjson",
    wholeType: "application/json",
    whole: (piece) => piece.content,
    records(piece) {
      said += piece.content;
      if (!piece.done) return [];
      return [textOnly ? said.trim() : `${goJson({ text: said.trim() })}\n`];
    },
    crashed: () => [],
  };
}
