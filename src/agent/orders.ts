// Carries out what the cell orders in its answers to heartbeats. Loads belong to the agent, so no client's leaving ends one.
import type { Order } from "../wire/heartbeat.ts";
import { parseModelName } from "../wire/model-name.ts";
import { call, faultOf } from "./call.ts";
import type { Leases } from "./leases.ts";
import type { Loads } from "./loads.ts";
import type { Log } from "./log.ts";
import type { OllamaClient } from "./ollama-client.ts";
import { ollamaUrl } from "./ollama-client.ts";
import type { Residency } from "./residency.ts";

export interface OrdersDeps {
  readonly ollama: OllamaClient;
  readonly leases: Leases;
  readonly loads: Loads;
  readonly residency: Residency;
  readonly log: Log;
  readonly onChanged: () => void;
}

export class Orders {
  private readonly ollama: OllamaClient;
  private readonly leases: Leases;
  private readonly loads: Loads;
  private readonly residency: Residency;
  private readonly log: Log;
  private readonly onChanged: () => void;
  private readonly busy = new Set<string>();
  private readonly stopped = new AbortController();

  constructor(deps: OrdersDeps) {
    this.ollama = deps.ollama;
    this.leases = deps.leases;
    this.loads = deps.loads;
    this.residency = deps.residency;
    this.log = deps.log;
    this.onChanged = deps.onChanged;
  }

  /** Starts what is ordered and does not wait for it. */
  carryOut(order: Order): void {
    switch (order.type) {
      case "cancel":
        this.leases.cancel(order.leaseId);
        return;
      case "load":
        void this.setLoaded(order.model, true);
        return;
      case "unload":
        void this.setLoaded(order.model, false);
        return;
      case "pull":
        this.log({ event: "order_refused", order: "pull", model: order.model, reason: "not supported by this agent" });
        return;
    }
  }

  stop(): void {
    this.stopped.abort();
  }

  /** One order at a time per model. */
  private async setLoaded(model: string, loaded: boolean): Promise<void> {
    if (this.busy.has(model)) return;
    this.busy.add(model);
    const order = loaded ? "load" : "unload";
    try {
      const done = loaded ? await this.load(model) : await this.unload(model);
      this.log({ event: done ? "order_done" : "order_failed", order, model });
    } catch (cause) {
      if (!this.stopped.signal.aborted) this.log({ event: "order_failed", order, model, reason: faultOf(cause) });
    } finally {
      this.busy.delete(model);
      this.onChanged();
    }
  }

  private async load(model: string): Promise<boolean> {
    const name = parseModelName(model);
    return name.ok && (await this.loads.order(name.value.canonical)).type === "loaded";
  }

  /** A generate without prompt and with `keep_alive: 0` unloads (ollama docs/api.md). */
  private async unload(model: string): Promise<boolean> {
    const answer = await call(ollamaUrl(this.ollama, "/api/generate"), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: Buffer.from(JSON.stringify({ model, keep_alive: 0 })),
      timeoutMs: 0,
      signal: this.stopped.signal,
    });
    this.residency.forget();
    return answer.status === 200;
  }
}
