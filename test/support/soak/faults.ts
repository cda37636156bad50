// What goes wrong during a soak: at an Ollama, at an agent, or both at once; each passes by itself or is cleared.
import { setTimeout as wait } from "node:timers/promises";
import type { Fault } from "../../../src/sim/ollama/faults.ts";
import type { RunningProcess, TestFleet } from "../fleet.ts";
import type { Random } from "./random.ts";

/** A host; where its agent may be killed, another one runs by now. */
export interface SoakHost {
  readonly id: string;
  readonly slots: number;
  readonly isMortal: boolean;
  agent: RunningProcess;
}

/** Does one thing to one host, and resolves when the host can work again. */
export async function strike(fleet: TestFleet, host: SoakHost, random: Random): Promise<string> {
  const ollama = fleet.hosts.find(({ id }) => id === host.id)?.ollama;
  if (ollama === undefined) throw new Error(`no host ${host.id}`);
  const dice = random.next();
  if (dice < 0.1 && host.isMortal) {
    await host.agent.stop("SIGKILL");
    host.agent = await fleet.joinHost(host.id, ollama.url, host.slots);
    return "agent killed";
  }
  if (dice < 0.16) {
    host.agent.child.kill("SIGSTOP");
    await wait(random.between(200, 1_500));
    host.agent.child.kill("SIGCONT");
    return "agent stopped";
  }
  if (dice < 0.22) {
    await ollama.setFault({ kind: "refuse" });
    await wait(random.between(100, 800));
    await ollama.clearFaults();
    return "ollama down";
  }
  const fault = faultOf(random);
  await ollama.setFault(fault);
  return fault.kind;
}

/** No crash of a runner: it ends Ollama's own streams of `/v1/messages` and `/v1/responses` without a word. */
function faultOf(random: Random): Fault {
  const at = random.between(0, 6);
  const kinds: readonly Fault[] = [
    { kind: "reset" },
    { kind: "hang", afterTokens: at },
    { kind: "die", atToken: at },
    { kind: "load_failure" },
    { kind: "busy" },
    { kind: "slow", tokensPerSecond: 5 },
  ];
  return { ...random.pick(kinds), times: random.between(1, 2) };
}
