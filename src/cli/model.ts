// `hive model`: which models the fleet has, and bringing them to hosts, into memory, and away again.
import type { Command } from "commander";
import { Option } from "commander";
import type { EdgeTarget } from "./edge-client.ts";
import { openEdge, readFleet } from "./edge-client.ts";
import { modelTable } from "./model-table.ts";
import { PullProgress } from "./pull-progress.ts";
import { readCount, readHostId, STATE_FLAG, URL_FLAG } from "./flags.ts";
import { CliError, print, say } from "./terminal.ts";

interface WorkOptions extends EdgeTarget {
  readonly hosts?: readonly string[];
  readonly copies?: number;
}

export function addModel(program: Command): void {
  const model = program.command("model").description("models of the fleet");
  model
    .command("list")
    .description("all models, where they are and where they are loaded")
    .option("--json", "as JSON")
    .addOption(URL_FLAG)
    .addOption(STATE_FLAG)
    .action(list);
  withWork(model.command("pull").description("fetch a model, to the best host unless told where"), true).action(pull);
  withWork(model.command("load").description("load a model into memory"), true).action(load);
  withWork(model.command("unload").description("unload a model wherever it is in memory"), false).action(unload);
  withWork(model.command("remove").description("delete a model wherever it is"), false).action(remove);
}

function withWork(command: Command, isCounted: boolean): Command {
  command.argument("<name>", "name of the model");
  const hosts = new Option("--hosts <ids>", "at these hosts, comma-separated").argParser(readHostIds);
  if (isCounted) {
    hosts.conflicts("copies");
    command.addOption(new Option("--copies <n>", "on so many hosts in all").argParser(readCount));
  }
  return command.addOption(hosts).addOption(URL_FLAG).addOption(STATE_FLAG);
}

function readHostIds(text: string): readonly string[] {
  return text.split(",").map((id) => readHostId(id.trim()));
}

async function list(options: EdgeTarget & { readonly json?: boolean }): Promise<void> {
  const fleet = await readFleet(options);
  const models = fleet.hosts.flatMap((host) => host.models.map((model) => ({ host: host.id, ...model })));
  print(options.json === true ? JSON.stringify(models, undefined, 2) : modelTable(fleet));
}

async function pull(name: string, options: WorkOptions): Promise<void> {
  const response = await work(options, {
    path: "/api/pull",
    body: { model: name },
    headers: { "hive-progress": "hosts" },
  });
  const progress = new PullProgress();
  const screen = new Screen();
  for await (const line of linesOf(response)) {
    const stepped = progress.take(line);
    screen.show(progress, stepped);
  }
  if (progress.error !== undefined) throw new CliError(progress.error);
  say(`${name} is on ${hostsOf(response)}`);
}

async function load(name: string, options: WorkOptions): Promise<void> {
  const spread = options.hosts === undefined ? { copies: 1, ...options } : options;
  const response = await work(spread, { path: "/api/generate", body: { model: name } });
  await expectDone(response);
  say(`${name} is loaded${onHosts(response)}`);
}

async function unload(name: string, options: WorkOptions): Promise<void> {
  const response = await work(options, { path: "/api/generate", body: { model: name, keep_alive: 0 } });
  await expectDone(response);
  say(`${name} is unloaded${onHosts(response)}`);
}

async function remove(name: string, options: WorkOptions): Promise<void> {
  const response = await work(options, { method: "DELETE", path: "/api/delete", body: { model: name } });
  say(`${name} is removed from ${hostsOf(response)}`);
  const offline = response.headers.get("hive-hosts-offline");
  if (offline !== null) throw new CliError(`offline, so that ${name} is still there: ${offline}`);
}

interface WorkCall {
  readonly method?: "DELETE";
  readonly path: string;
  readonly body: object;
  readonly headers?: Record<string, string>;
}

/** Calls one of Ollama's routes at the edge; fails with the one line that the edge gives. */
async function work({ hosts, copies, ...target }: WorkOptions, call: WorkCall): Promise<Response> {
  const headers = {
    ...call.headers,
    ...(hosts === undefined ? {} : { "hive-hosts": hosts.join(",") }),
    ...(copies === undefined ? {} : { "hive-copies": String(copies) }),
  };
  const response = await openEdge(target, call.method ?? "POST", call.path, { body: call.body, headers });
  if (response.ok) return response;
  throw new CliError(errorOf(await response.text()) ?? `the edge answered ${String(response.status)}`);
}

function errorOf(text: string): string | undefined {
  try {
    const told: unknown = JSON.parse(text);
    return typeof told === "object" && told !== null && "error" in told ? String(told.error) : undefined;
  } catch {
    return undefined;
  }
}

/** An answer that was begun before it was known (EARLY_COMMIT) tells a failure in its body. */
async function expectDone(response: Response): Promise<void> {
  const error = errorOf(await response.text());
  if (error !== undefined) throw new CliError(error);
}

/** Such an answer tells nothing of its hosts. */
function onHosts(response: Response): string {
  return response.headers.has("hive-hosts") ? ` on ${hostsOf(response)}` : "";
}

function hostsOf(response: Response): string {
  return response.headers.get("hive-hosts")?.replaceAll(",", ", ") ?? "no host";
}

async function* linesOf(response: Response): AsyncGenerator<string> {
  let text = "";
  for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const lines = (text + part).split("\n");
    text = lines.pop() ?? "";
    yield* lines;
  }
  if (text !== "") yield text;
}

/** Redraws the bars on a terminal; elsewhere a line for each step. */
class Screen {
  #drawn = 0;

  show(progress: PullProgress, stepped: string | undefined): void {
    if (!process.stderr.isTTY) {
      if (stepped !== undefined) say(progress.line(stepped));
      return;
    }
    const lines = progress.lines();
    const up = this.#drawn === 0 ? "" : `\u001b[${String(this.#drawn)}A`;
    process.stderr.write(up + lines.map((line) => `\u001b[2K${line}\n`).join(""));
    this.#drawn = lines.length;
  }
}
