// What a body asks of a host that would leave it, or show what is hidden: server-side web tools, and the rendered prompt.
import type { ScannedBody } from "../../wire/json-scan.ts";
import { readJson, readScalar } from "../../wire/json-text.ts";

/** `web-tools`: Ollama would call ollama.com with its owner's account. `render`: it would answer with the model's system prompt. */
export type Egress = "web-tools" | "render";

const SERVER_SIDE = /^web_(search|fetch)/;
/** Only here does Ollama itself carry tools out; elsewhere a tool of this name is the client's own. */
const WITH_SERVER_TOOLS: ReadonlySet<string> = new Set(["/v1/responses", "/v1/messages"]);

/** What of that a body asks for, if anything. */
export function egressOf(path: string, body: ScannedBody): Egress | undefined {
  const render = body.members.get("_debug_render_only");
  if (render !== undefined && readScalar(body.bytes, render) !== false) return "render";
  if (!WITH_SERVER_TOOLS.has(path)) return undefined;
  const tools: unknown = readJson(body.bytes, body.members.get("tools"));
  return Array.isArray(tools) && tools.some(isServerSide) ? "web-tools" : undefined;
}

function isServerSide(tool: unknown): boolean {
  if (typeof tool !== "object" || tool === null || !("type" in tool)) return false;
  return typeof tool.type === "string" && SERVER_SIDE.test(tool.type.trim().toLowerCase());
}
