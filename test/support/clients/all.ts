// The real clients that must work unchanged through Hive.
import { aiSdk } from "./ai-sdk.ts";
import { anthropicMessages } from "./anthropic.ts";
import type { RealClient } from "./client.ts";
import { langchain } from "./langchain.ts";
import { ollamaChat, ollamaGenerate } from "./ollama.ts";
import { openaiChat, openaiResponses } from "./openai.ts";

export const REAL_CLIENTS: readonly RealClient[] = [
  ollamaChat,
  ollamaGenerate,
  openaiChat,
  openaiResponses,
  anthropicMessages,
  langchain,
  aiSdk,
];
