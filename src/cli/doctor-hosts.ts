// The hosts as `hive doctor` sees them: heard, with an Ollama that answers, models, and a way from the edge to each of them.
import type { FleetView, HostView, ModelConflict } from "../wire/fleet-view.ts";
import type { Finding } from "./doctor-findings.ts";
import { fail, ok, warn } from "./doctor-findings.ts";

/** Below it Ollama has holes that a request can use (CVE-2026-7482 and older). */
const OLLAMA_FLOOR = [0, 17, 1];

/** Sends a request to one host through edge and agent; undefined when it arrived, else what was answered. */
export type Probe = (host: HostView, model: string) => Promise<string | undefined>;

/** Looks at every host, and sends one request to each that should be able to take it. */
export async function examineHosts(fleet: FleetView, probe: Probe): Promise<Finding[]> {
  if (fleet.hosts.length === 0) {
    const fix =
      "invite one: `npx hive host invite ID --hostname NAME`, then `npx hive agent --join TOKEN` beside its Ollama";
    return [fail("hosts", "no host is registered", fix)];
  }
  const examined = await Promise.all(fleet.hosts.map(async (host) => await examineHost(host, probe)));
  return [...examined.flat(), ...fleet.conflicts.map(conflict), ...examineQueue(fleet)];
}

async function examineHost(host: HostView, probe: Probe): Promise<Finding[]> {
  const check = `host ${host.id}`;
  const broken =
    silence(host, check) ?? withoutOllama(host, check) ?? quarantine(host, check) ?? strayHostname(host, check);
  if (broken !== undefined) return [broken];
  const [model] = host.models;
  const notes = [...oldOllama(host, check), ...twin(host, check), ...drained(host, check)];
  if (model === undefined)
    return [...notes, warn(check, "its Ollama has no model", "beside it: `ollama pull llama3.2`")];
  // A drained host takes no request, and need not.
  if (host.drained) return notes;
  const answer = await probe(host, model.name);
  if (answer === undefined) {
    const says = `heard, Ollama ${host.ollamaVersion}, ${String(host.models.length)} model(s), and a request from the edge arrives`;
    return [...notes, ok(check, says)];
  }
  const fix = `the edge must reach its agent at ${host.url}: is the tunnel up, and does it lead to the agent's --listen port? See the agent's log`;
  return [...notes, fail(check, `it is heard, but a request from the edge does not arrive (${answer})`, fix)];
}

function silence({ status, lastHeartbeatAgoMs }: HostView, check: string): Finding | undefined {
  if (status === "alive") return undefined;
  if (lastHeartbeatAgoMs === undefined) {
    const fix = "start its agent: `npx hive agent --edge URL` (with --join TOKEN the first time)";
    return fail(check, "it was not heard since the cell started", fix);
  }
  const ago = `${String(Math.round(lastHeartbeatAgoMs / 1000))} s ago`;
  if (status === "dead")
    return fail(check, `last heard ${ago}`, "is its agent running, and can it reach the edge? See the agent's log");
  return warn(
    check,
    `under suspicion: a request failed on it, or it was last heard ${ago}`,
    "see the agent's log; it comes back by itself when a request succeeds",
  );
}

function withoutOllama({ backend }: HostView, check: string): Finding | undefined {
  if (backend !== "down") return undefined;
  return fail(
    check,
    "its agent is heard, but the Ollama beside it does not answer",
    "start Ollama there, or give the agent its address with --ollama",
  );
}

function quarantine({ id, quarantined }: HostView, check: string): Finding | undefined {
  if (!quarantined) return undefined;
  const fix = `stop all of them but one, and give each machine an invite of its own: \`npx hive host invite ${id}-2\`; a minute later it takes requests again`;
  return fail(check, "agents with its identity replace each other again and again, so that it gets no request", fix);
}

function strayHostname({ unproven, url }: HostView, check: string): Finding | undefined {
  if (!unproven) return undefined;
  const fix = `the tunnel of ${url} must lead to this agent's --listen port, and to no other agent; it is asked again with every heartbeat`;
  return fail(check, `${url} has not been shown to lead to its agent, so that it gets no request`, fix);
}

function twin({ id, rivalHeardAgoMs }: HostView, check: string): Finding[] {
  if (rivalHeardAgoMs === undefined) return [];
  const says = `another agent with its identity was heard ${String(Math.round(rivalHeardAgoMs / 1000))} s ago`;
  return [
    warn(
      check,
      says,
      `stop one of them; a cloned machine needs an invite of its own, and ${id} a new one if it was stolen`,
    ),
  ];
}

function oldOllama({ ollamaVersion }: HostView, check: string): Finding[] {
  const numbers = ollamaVersion.split(/[.-]/).slice(0, 3).map(Number);
  const floor = OLLAMA_FLOOR.join(".");
  const differsAt = OLLAMA_FLOOR.findIndex((wanted, at) => numbers[at] !== wanted);
  const isOld = differsAt >= 0 && (numbers[differsAt] ?? 0) < (OLLAMA_FLOOR[differsAt] ?? 0);
  return isOld ? [warn(check, `Ollama ${ollamaVersion} has known holes`, `update it to ${floor} or later`)] : [];
}

function drained({ id, drained: isDrained }: HostView, check: string): Finding[] {
  return isDrained ? [warn(check, "it is drained and gets no request", `npx hive host resume ${id}`)] : [];
}

function conflict({ name, copies }: ModelConflict): Finding {
  const others = copies.slice(1).flatMap(({ hosts }) => hosts);
  const says = `hosts hold different models under the name ${name}; ${others.join(", ")} get(s) no request for it`;
  return warn("models", says, `pull it anew there, or rename it`);
}

function examineQueue({ queued }: FleetView): Finding[] {
  if (queued === 0) return [];
  return [warn("queue", `${String(queued)} request(s) wait for a slot`, "more slots (--slots), or one more host")];
}
