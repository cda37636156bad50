// What a model would read of a scanned body's messages, as byte ranges: for token estimates and prefix hashes.
// Understands Ollama's, OpenAI's (chat and responses) and Anthropic's way of writing a message.
import type { JsonSpan } from "./json-bytes.ts";
import { eachElement, eachMember, innerRange } from "./json-cursor.ts";
import { foldKey } from "./json-keys.ts";
import { readKey, readString } from "./json-text.ts";

/** Bytes as they stand in the body: escapes are not decoded, a string's quotes are left out. */
export type MessagePiece = { readonly kind: "text" | "media"; readonly start: number; readonly end: number };

export type MessageView = {
  readonly start: number;
  readonly end: number;
  /** Empty where the message has none. */
  readonly role: string;
  readonly content: JsonSpan | undefined;
  /** In the order of the body. */
  readonly pieces: readonly MessagePiece[];
  /** Bytes of all text pieces. */
  readonly textBytes: number;
  /** Images and other media; they are not in textBytes. */
  readonly mediaCount: number;
};

// Only what reaches the prompt. Anthropic's cache_control moves from message to message between turns, and so would every hash.
const TEXT_KEYS: ReadonlySet<string> = new Set(
  "text thinking reasoning tool_calls tool_name name arguments input".split(" "),
);
const NESTED_KEYS: ReadonlySet<string> = new Set(["content", "output", "summary"]);
const MEDIA_KEYS: ReadonlySet<string> = new Set(["images", "image_url", "source", "input_audio", "file", "file_data"]);

// Bounds on what is built, not on what is read: a body may hold millions of empty strings. What is beyond counts as one text.
const MAX_MESSAGES = 2_000;
const MAX_PIECES_PER_MESSAGE = 1_000;

/** Reads an array of messages (or of Responses input items) of a scanned body; anything but an array has none. */
export function readMessages(bytes: Uint8Array, span: JsonSpan | undefined): MessageView[] {
  const messages: MessageView[] = [];
  if (span?.type !== "array") return messages;
  let restAt: number | undefined;
  eachElement(bytes, span, (element) => {
    if (messages.length < MAX_MESSAGES) messages.push(readMessage(bytes, element));
    else restAt ??= element.start;
  });
  if (restAt !== undefined) messages.push(restOfMessages(restAt, span.end - 1));
  return messages;
}

function restOfMessages(start: number, end: number): MessageView {
  const pieces: MessagePiece[] = [{ kind: "text", start, end }];
  return { start, end, role: "", content: undefined, pieces, ...measure(pieces) };
}

function readMessage(bytes: Uint8Array, element: JsonSpan): MessageView {
  const pieces: MessagePiece[] = [];
  let role = "";
  let content: JsonSpan | undefined;
  if (element.type === "object") {
    eachMember(bytes, element, (keyStart, keyEnd, value) => {
      const key = promptKey(bytes, keyStart, keyEnd);
      if (key === "role") role = readString(bytes, value) ?? "";
      if (key === "content") content = value;
      collectMember(bytes, key, value, pieces);
    });
  } else {
    collectNested(bytes, element, pieces);
  }
  return { start: element.start, end: element.end, role, content, pieces, ...measure(pieces) };
}

/** Folded, because Ollama reads `Content` too. */
function promptKey(bytes: Uint8Array, keyStart: number, keyEnd: number): string {
  return foldKey(readKey(bytes, keyStart, keyEnd) ?? "");
}

function collectMember(bytes: Uint8Array, key: string, value: JsonSpan, pieces: MessagePiece[]): void {
  if (NESTED_KEYS.has(key)) collectNested(bytes, value, pieces);
  else if (MEDIA_KEYS.has(key)) collectMedia(bytes, value, pieces);
  else if (TEXT_KEYS.has(key)) addPiece(pieces, "text", value);
}

/** A string, a part, or a list of them; a tool's result nests lists, as deep as the scan allowed. */
function collectNested(bytes: Uint8Array, value: JsonSpan, pieces: MessagePiece[]): void {
  switch (value.type) {
    case "string":
      addPiece(pieces, "text", value);
      return;
    case "array":
      eachElement(bytes, value, (element) => {
        collectNested(bytes, element, pieces);
      });
      return;
    case "object":
      eachMember(bytes, value, (keyStart, keyEnd, member) => {
        collectMember(bytes, promptKey(bytes, keyStart, keyEnd), member, pieces);
      });
      return;
    case "number":
    case "boolean":
    case "null":
      return;
  }
}

function collectMedia(bytes: Uint8Array, value: JsonSpan, pieces: MessagePiece[]): void {
  if (value.type === "array") {
    eachElement(bytes, value, (element) => {
      addPiece(pieces, "media", element);
    });
  } else if (value.type !== "null") {
    addPiece(pieces, "media", value);
  }
}

function addPiece(pieces: MessagePiece[], kind: MessagePiece["kind"], value: JsonSpan): void {
  const range = innerRange(value);
  const last = pieces.at(-1);
  if (last === undefined || pieces.length < MAX_PIECES_PER_MESSAGE) pieces.push({ kind, ...range });
  else pieces[pieces.length - 1] = { kind: "text", start: last.start, end: range.end };
}

function measure(pieces: readonly MessagePiece[]): { textBytes: number; mediaCount: number } {
  let textBytes = 0;
  let mediaCount = 0;
  for (const { kind, start, end } of pieces) {
    if (kind === "text") textBytes += end - start;
    else mediaCount++;
  }
  return { textBytes, mediaCount };
}
