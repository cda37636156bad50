// The whole of Hive on this machine, from keys to curl line.
import type { Agent } from "../agent/agent.ts";
import type { Edge } from "../selfhost/edge.ts";
import { openEdge } from "./serve.ts";
import type { Stoppable } from "./stop.ts";
import { runUntilStopped } from "./stop.ts";
import { print, say } from "./terminal.ts";
import type { UpOptions } from "./up.ts";
import { curlLine, findChatModel, keepClientToken } from "./up-client.ts";
import type { Backend } from "./up-ollamas.ts";
import { openBackends } from "./up-ollamas.ts";

/** Starts everything, says how to use it, and ends when asked to. */
export async function runAll(options: UpOptions): Promise<void> {
  const backends = await openBackends(options, process.env);
  const edge = await openEdge({ port: options.port, bind: "127.0.0.1", state: options.state });
  const { startHosts } = await import("./up-hosts.ts");
  const agents = await startHosts(backends, {
    edgeUrl: edge.url,
    issuer: edge.settings.HIVE_ISSUER,
    state: options.state,
  });
  await runUntilStopped(everything(backends, edge, agents), async () => greet(edge, options.state), edge.died);
}

async function greet(edge: Edge, state: string): Promise<void> {
  const token = await keepClientToken(state, edge.settings.HIVE_ISSUER);
  const model = await findChatModel(edge.url, token);
  if (model === undefined) say("hive: no host has a model that can chat yet; try: ollama pull llama3.2");
  say(`hive: ready ${edge.url}`);
  say(`hive: the operator's page is ${edge.url}/hive/dashboard (its token: npx hive token issue --role admin)`);
  say("hive: a client token, and a first request:");
  print(token);
  print(curlLine(edge.url, token, model));
}

/** Agents first, so that the edge hears of their leaving. */
function everything(backends: readonly Backend[], edge: Edge, agents: readonly Agent[]): Stoppable {
  return {
    close: async () => {
      await Promise.allSettled(agents.map(async (agent) => agent.close()));
      await edge.close();
      await Promise.allSettled(backends.map(async (backend) => backend.close()));
    },
    kill: () => edge.kill(),
  };
}
