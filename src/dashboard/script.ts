// What runs in the operator's page: asks for the fleet every other second and draws it. The text of these functions is put
// into the page, so they use each other and nothing else. Names come from hosts and clients: they are set as text alone.

interface Host {
  readonly id: string;
  readonly cell?: string;
  readonly region: string;
  readonly status: string;
  readonly drained: boolean;
  readonly backend: string;
  readonly ollamaVersion: string;
  readonly slots: number;
  readonly activeLeases: number;
  readonly lastHeartbeatAgoMs?: number;
  readonly models: readonly { readonly name: string }[];
  readonly running: readonly { readonly name: string }[];
}

interface FleetData {
  readonly hosts: readonly Host[];
  readonly cells?: readonly {
    readonly name: string;
    readonly region: string;
    readonly reachable: boolean;
    readonly queued: number;
    readonly activeLeases: number;
  }[];
  readonly queued: number;
  readonly queue: readonly {
    readonly requestId: string;
    readonly model?: string;
    readonly waitedMs: number;
    readonly expectedWaitMs?: number;
  }[];
  readonly activeLeases: number;
  readonly policy: string;
  readonly recent?: readonly {
    readonly requestId: string;
    readonly cameAt: number;
    readonly tenant: string;
    readonly model?: string;
    readonly hostId?: string;
    readonly queuedMs?: number;
    readonly attempts: number;
    readonly outcome: string;
  }[];
}

function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`no element ${id}`);
  return found;
}

function make(tag: string, className = "", ...children: (Node | string)[]): HTMLElement {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

function shortModel(key: string | undefined): string {
  return (key ?? "any").replace(/^registry\.ollama\.ai\/(library\/)?/, "").replace(/:latest$/, "");
}

function inSeconds(ms: number | undefined): string {
  return ms === undefined ? "–" : `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}

function counted(count: number, word: string): string {
  return `${String(count)} ${word}${count === 1 ? "" : "s"}`;
}

function drawTotal(value: number, of: number | undefined, label: string): HTMLElement {
  const number = make("b", "", String(value));
  if (of !== undefined) number.append(make("small", "", ` / ${String(of)}`));
  return make("div", "total", number, make("small", "", label));
}

function drawTotals({ hosts, queued, activeLeases, cells }: FleetData): void {
  const alive = hosts.filter(({ status }) => status === "alive").length;
  const slots = hosts.reduce((sum, host) => sum + host.slots, 0);
  const models = new Set(hosts.flatMap((host) => host.models.map(({ name }) => name))).size;
  const cellCount = cells?.length ?? 1;
  byId("totals").replaceChildren(
    drawTotal(alive, hosts.length, "hosts alive"),
    drawTotal(activeLeases, slots, "slots in use"),
    drawTotal(queued, undefined, "requests waiting"),
    drawTotal(models, undefined, models === 1 ? "model" : "models"),
    drawTotal(cellCount, undefined, cellCount === 1 ? "cell" : "cells"),
  );
}

function stateOf(host: Host): string {
  const heard = host.lastHeartbeatAgoMs === undefined ? "never heard" : `${inSeconds(host.lastHeartbeatAgoMs)} ago`;
  if (host.drained) return `drained, ${heard}`;
  if (host.backend === "down") return `Ollama down, ${heard}`;
  return host.status === "alive" ? heard : `${host.status}, ${heard}`;
}

function drawHost(host: Host): HTMLElement {
  const mostSlotsDrawn = 64;
  const head = make("h3", "", make("i", "dot"), host.id, make("span", "", stateOf(host)));
  const slots = make("div", "slots");
  for (let slot = 0; slot < Math.min(host.slots, mostSlotsDrawn); slot += 1) {
    slots.append(make("i", slot < host.activeLeases ? "used" : ""));
  }
  slots.append(make("em", "", `${String(host.activeLeases)} of ${String(host.slots)}`));
  const loaded = host.running.map(({ name }) => make("span", "", shortModel(name)));
  if (loaded.length === 0) loaded.push(make("span", "none", `${counted(host.models.length, "model")}, none loaded`));
  const card = make("article", `host ${host.status}`, head, slots, make("div", "chips", ...loaded));
  card.title = `Ollama ${host.ollamaVersion || "unknown"}, ${counted(host.models.length, "model")}`;
  return card;
}

function drawCells({ hosts, cells = [] }: FleetData): void {
  const groups = new Map<string, Host[]>(cells.map(({ name }) => [name, []]));
  for (const host of hosts) {
    const name = host.cell ?? "";
    groups.set(name, [...(groups.get(name) ?? []), host]);
  }
  const drawn = [...groups].map(([name, members]) => {
    const cell = cells.find((other) => other.name === name);
    const title = groups.size > 1 ? name.replace(/^cell:/, "").replaceAll(":", " · ") : "Hosts";
    const work = `${String(cell?.activeLeases ?? 0)} running, ${String(cell?.queued ?? 0)} waiting`;
    const note = cell?.reachable === false ? "does not answer" : `${counted(members.length, "host")}, ${work}`;
    const heading = make("h2", "", title, make("span", "", note));
    return make("section", "cell", heading, make("div", "hosts", ...members.map((host) => drawHost(host))));
  });
  byId("cells").replaceChildren(...drawn);
}

function drawTable(
  id: string,
  titles: readonly string[],
  rows: readonly (readonly (string | HTMLElement)[])[],
  empty: string,
): void {
  const head = make("tr", "", ...titles.map((title) => make("th", "", title)));
  const body = rows.map((row) =>
    make("tr", "", ...row.map((value) => (typeof value === "string" ? make("td", "", value) : value))),
  );
  byId(id).replaceChildren(...(rows.length === 0 ? [make("tr", "", make("td", "empty", empty))] : [head, ...body]));
}

function drawModels({ hosts }: FleetData): void {
  const counts = new Map<string, { hosts: number; loaded: number }>();
  for (const host of hosts) {
    for (const { name } of host.models) {
      const count = counts.get(name) ?? { hosts: 0, loaded: 0 };
      count.hosts += 1;
      if (host.running.some((running) => running.name === name)) count.loaded += 1;
      counts.set(name, count);
    }
  }
  const rows = [...counts]
    .sort(([a, x], [b, y]) => y.loaded - x.loaded || y.hosts - x.hosts || a.localeCompare(b))
    .map(([name, count]) => [shortModel(name), String(count.hosts), String(count.loaded)]);
  drawTable("models", ["Model", "Hosts", "Loaded"], rows, "No host has a model yet.");
}

function drawQueue({ queue, queued }: FleetData): void {
  const mostDrawn = 12;
  const rows = queue
    .slice(0, mostDrawn)
    .map(({ model, waitedMs, expectedWaitMs }) => [shortModel(model), inSeconds(waitedMs), inSeconds(expectedWaitMs)]);
  if (queued > rows.length) rows.push([`and ${String(queued - rows.length)} more`, "", ""]);
  drawTable("queue", ["Model", "Has waited", "Turn in about"], rows, "Nobody waits.");
}

function drawRecent({ recent = [] }: FleetData): void {
  const good = ["served", "running", "waiting"];
  const rows = recent.map(({ cameAt, tenant, model, hostId = "–", queuedMs, attempts, outcome }) => [
    new Date(cameAt).toLocaleTimeString(),
    tenant,
    shortModel(model),
    attempts > 1 ? `${hostId} (attempt ${String(attempts)})` : hostId,
    inSeconds(queuedMs),
    make("td", good.includes(outcome) ? "" : "bad", outcome),
  ]);
  drawTable("recent", ["Came", "Tenant", "Model", "Host", "Waited", "Outcome"], rows, "No request yet.");
}

function say(text: string, isBad: boolean): void {
  byId("state").textContent = text;
  byId("state").className = isBad ? "bad" : "";
}

function show(isOpen: boolean): void {
  byId("entry").hidden = isOpen;
  for (const id of ["fleet", "forget"]) byId(id).hidden = !isOpen;
}

function draw(fleet: FleetData): void {
  show(true);
  drawTotals(fleet);
  drawCells(fleet);
  drawModels(fleet);
  drawQueue(fleet);
  drawRecent(fleet);
  say(`${fleet.policy} · ${new Date().toLocaleTimeString()}`, false);
}

function askForToken(reason: string): void {
  sessionStorage.removeItem("hive-token");
  show(false);
  byId("token").focus();
  say(reason, reason !== "");
}

async function look(): Promise<void> {
  const token = sessionStorage.getItem("hive-token");
  if (token === null) return askForToken("");
  try {
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch("/hive/v1/fleet", { headers, cache: "no-store", credentials: "omit" });
    if (answer.status === 401 || answer.status === 403) return askForToken("This token does not open the fleet.");
    if (answer.ok) draw((await answer.json()) as FleetData);
    else say(`The edge answered ${String(answer.status)}.`, true);
  } catch {
    say("The edge does not answer.", true);
  }
}

/** Runs the page; called once, by the page itself. */
function run(): void {
  const everyMs = 2_000;
  byId("entry").addEventListener("submit", (event) => {
    event.preventDefault();
    const input = byId("token");
    if (!(input instanceof HTMLInputElement)) return;
    sessionStorage.setItem("hive-token", input.value.trim());
    input.value = "";
    void look();
  });
  byId("forget").addEventListener("click", () => askForToken(""));
  // A tab nobody looks at asks nothing, and one without a token has nothing to ask.
  setInterval(() => {
    if (!document.hidden && sessionStorage.getItem("hive-token") !== null) void look();
  }, everyMs);
  void look();
}

/** All of the above. What they define inside has no name of its own: bundlers that keep names would call a helper for it. */
const PARTS = [
  byId,
  make,
  shortModel,
  inSeconds,
  counted,
  drawTotal,
  drawTotals,
  stateOf,
  drawHost,
  drawCells,
  drawTable,
  drawModels,
  drawQueue,
  drawRecent,
  say,
  show,
  draw,
  askForToken,
  look,
];

/** The script as text. */
export function dashboardScript(): string {
  return `(()=>{${PARTS.map((part) => part.toString()).join("\n")}\n(${run.toString()})();})()`;
}
