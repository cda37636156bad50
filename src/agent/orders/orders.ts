// Carries out what the cell orders in its answers to heartbeats. Loads belong to the agent, so no client's leaving ends one.
import type { HostTask, Order } from "../../wire/heartbeat.ts";
import { parseModelName } from "../../wire/model-name.ts";
import { toRequest } from "../../wire/runner-options.ts";
import { call, faultOf, parseJson } from "../call.ts";
import type { Leases } from "../relay/leases.ts";
import type { Loads } from "../relay/loads.ts";
import type { Log } from "../log.ts";
import type { OllamaClient } from "../relay/ollama-client.ts";
import { ollamaUrl } from "../relay/ollama-client.ts";
import { copyModel } from "./copy-model.ts";
import { pullModel } from "./pull.ts";
import type { PullWatch } from "./pull.ts";
import type { Residency } from "../heartbeat/residency.ts";
import { Tasks } from "../heartbeat/tasks.ts";
import { wake } from "./wake.ts";

/** How often the cell is told how far a download is, beside its regular heartbeats. */
const PROGRESS_GAP_MS = 2_000;
const SHOW_LIMIT_MS = 30_000;

export interface OrdersDeps {
  readonly ollama: OllamaClient;
  readonly leases: Leases;
  readonly loads: Loads;
  readonly residency: Residency;
  readonly log: Log;
  readonly onChanged: () => void;
  /** Ollama's model folder, where the agent may write: models can then come from other hosts. */
  readonly modelsDir?: string | undefined;
}

type Progress = (doneBytes: number, totalBytes: number) => void;
type Load = Extract<Order, { type: "load" }>;
type Pull = Extract<Order, { type: "pull" }>;

export class Orders {
  readonly tasks = new Tasks();
  private readonly deps: OrdersDeps;
  private readonly stopped = new AbortController();
  /** Ollama loads one model at a time, and an unload makes room for the load that follows it. */
  private memory: Promise<void> = Promise.resolve();

  constructor(deps: OrdersDeps) {
    this.deps = deps;
  }

  /** Starts what is ordered and does not wait for it. */
  carryOut(order: Order): void {
    switch (order.type) {
      case "cancel":
        this.deps.leases.cancel(order.leaseId);
        return;
      case "load":
        this.inTurn("load", order.model, async () => await this.load(order));
        return;
      case "unload":
        this.inTurn("unload", order.model, async () => await this.unload(order.model));
        return;
      case "pull":
        void this.run("pull", order.model, async (progress) => await this.pull(order, progress));
        return;
      case "wake":
        void this.wake(order.mac);
        return;
    }
  }

  stop(): void {
    this.stopped.abort();
  }

  private inTurn(type: "load" | "unload", model: string, work: () => Promise<void>): void {
    const turn = this.memory;
    this.memory = this.run(type, model, async () => {
      await turn;
      await work();
    });
  }

  /** Runs a task to its end, whatever that is, and lets the cell know. */
  private async run(
    order: HostTask["type"],
    model: string,
    work: (progress: Progress) => Promise<void>,
  ): Promise<void> {
    const task = this.tasks.begin(order, model);
    if (task === undefined) return;
    const { log, onChanged } = this.deps;
    try {
      await work((doneBytes, totalBytes) => task.progress(doneBytes, totalBytes));
      task.end();
      log({ event: "order_done", order, model });
    } catch (cause) {
      task.end(faultOf(cause));
      if (!this.stopped.signal.aborted) log({ event: "order_failed", order, model, reason: faultOf(cause) });
    } finally {
      onChanged();
    }
  }

  private async load({ model, pinned, runner }: Load): Promise<void> {
    const name = parseModelName(model);
    if (!name.ok) throw new Error(name.error.message);
    const { canonical } = name.value;
    const outcome = await this.deps.loads.order(canonical, runner);
    if (outcome.type === "failed") throw new Error(`ollama answered ${outcome.status}: ${outcome.error}`);
    if (outcome.type === "not-loadable") throw new Error("the model is not here, or cannot be loaded by itself");
    // With the same options: others would load it anew.
    if (pinned !== true) return;
    const by = this.deps.loads.byOf(canonical);
    const input = by === "embed" ? { input: [] } : {};
    await this.ask(`/api/${by}`, { model, ...input, keep_alive: -1, ...toRequest(runner ?? "") });
  }

  /** A generate without prompt and with `keep_alive: 0` unloads (ollama docs/api.md). Requests that came since keep it. */
  private async unload(model: string): Promise<void> {
    if (this.deps.leases.active().some((lease) => lease.model === model)) throw new Error("the model is in use");
    await this.ask("/api/generate", { model, keep_alive: 0 });
    this.deps.residency.forget();
  }

  private async ask(path: string, body: object): Promise<void> {
    const answer = await call(ollamaUrl(this.deps.ollama, path), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: Buffer.from(JSON.stringify(body)),
      timeoutMs: 0,
      signal: this.stopped.signal,
    });
    if (answer.status === 200) return;
    const json = parseJson(answer.text);
    const words = typeof json === "object" && json !== null && "error" in json ? String(json.error) : "";
    throw new Error(`ollama answered ${answer.status} ${words}`.trim());
  }

  private async wake(mac: string): Promise<void> {
    const failure = await wake(mac).then(() => undefined, faultOf);
    this.deps.log({ event: failure === undefined ? "woke" : "wake-failed", mac, reason: failure });
  }

  /** From a neighbour that has the files, else from where Ollama has them. */
  private async pull(order: Pull, progress: Progress): Promise<void> {
    let toldAt = performance.now();
    const onProgress: Progress = (doneBytes, totalBytes) => {
      progress(doneBytes, totalBytes);
      if (performance.now() - toldAt < PROGRESS_GAP_MS) return;
      toldAt = performance.now();
      this.deps.onChanged();
    };
    const watch = { signal: this.stopped.signal, onProgress };
    if (await this.copy(order, watch)) return;
    await pullModel(this.deps.ollama, order.model, watch);
  }

  /** True when a copy from another host has worked and Ollama lists the model. */
  private async copy({ model, digest, from = [] }: Pull, watch: PullWatch): Promise<boolean> {
    const { modelsDir, ollama, log } = this.deps;
    if (modelsDir === undefined || digest === undefined) return false;
    for (const { hostId, url, token } of from) {
      if (token === undefined) continue;
      try {
        await copyModel({ hostId, url, token }, { modelsDir, model, digest, ...watch });
        const shown = await post(ollama, "/api/show", { model }, watch.signal);
        log({ event: shown === 200 ? "model-copied" : "copied-model-unlisted", model, from: hostId });
        // Not listed: --models names another folder than Ollama's.
        return shown === 200;
      } catch (cause) {
        watch.signal.throwIfAborted();
        log({ event: "copy-failed", model, from: hostId, reason: faultOf(cause) });
      }
    }
    return false;
  }
}

async function post(ollama: OllamaClient, path: string, body: object, signal: AbortSignal): Promise<number> {
  const answer = await call(ollamaUrl(ollama, path), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: Buffer.from(JSON.stringify(body)),
    timeoutMs: SHOW_LIMIT_MS,
    signal,
  });
  return answer.status;
}
