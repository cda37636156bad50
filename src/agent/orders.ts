// Carries out what the cell orders in its answers to heartbeats. Loads belong to the agent, so no client's leaving ends one.
import type { Order } from "../wire/heartbeat.ts";
import { call, faultOf } from "./call.ts";
import type { Leases } from "./leases.ts";
import type { Log } from "./log.ts";
import type { OllamaClient } from "./ollama-client.ts";
import { ollamaUrl } from "./ollama-client.ts";

export class Orders {
  private readonly ollama: OllamaClient;
  private readonly leases: Leases;
  private readonly log: Log;
  private readonly onChanged: () => void;
  private readonly busy = new Set<string>();
  private readonly stopped = new AbortController();

  constructor(deps: { ollama: OllamaClient; leases: Leases; log: Log; onChanged: () => void }) {
    this.ollama = deps.ollama;
    this.leases = deps.leases;
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

  /** A generate without prompt loads, with `keep_alive: 0` it unloads (ollama docs/api.md). One at a time per model. */
  private async setLoaded(model: string, loaded: boolean): Promise<void> {
    if (this.busy.has(model)) return;
    this.busy.add(model);
    const order = loaded ? "load" : "unload";
    try {
      const body = Buffer.from(JSON.stringify(loaded ? { model } : { model, keep_alive: 0 }));
      const answer = await call(ollamaUrl(this.ollama, "/api/generate"), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
        timeoutMs: 0,
        signal: this.stopped.signal,
      });
      this.log({ event: answer.status === 200 ? "order_done" : "order_failed", order, model, status: answer.status });
    } catch (cause) {
      if (!this.stopped.signal.aborted) this.log({ event: "order_failed", order, model, reason: faultOf(cause) });
    } finally {
      this.busy.delete(model);
      this.onChanged();
    }
  }
}
