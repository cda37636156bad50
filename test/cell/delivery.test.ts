// Orders for hosts on their way out of the cell: tried again until they arrive, replaced by newer ones, kept beyond memory.
import { env } from "cloudflare:workers";
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { Delivery } from "../../src/cell/delivery.ts";
import { OrderStore } from "../../src/cell/order-store.ts";
import type { Result } from "../../src/wire/result.ts";
import type { ScaleOrder } from "../../src/wire/scale.ts";

const NOW = 1_800_000_000_000;
const DONE: Result<true, string> = { ok: true, value: true };
const FAILED: Result<true, string> = { ok: false, error: "answered 500" };

function anOrder(id: number, part: Partial<ScaleOrder> = {}): ScaleOrder {
  const lists = { start: ["a"], stop: [], create: 0, known: 1, macs: {} };
  return { id, desired: 1, ...lists, reason: "test", since: NOW, deadline: NOW + 60_000, ...part };
}

/** A delivery to a receiver that answers as the test says. */
function scene(answers: readonly Result<true, string>[]) {
  const posted: number[] = [];
  const wakes: number[] = [];
  const clock = { now: NOW };
  const delivery = new Delivery({
    post: async ({ id }) => {
      posted.push(id);
      return answers[posted.length - 1] ?? DONE;
    },
    wakeAt: async (at) => void wakes.push(at - clock.now),
    now: () => clock.now,
  });
  return { delivery, posted, wakes, clock };
}

describe("an order", () => {
  it("is posted at once, and not again when it has arrived", async () => {
    const { delivery, posted, wakes } = scene([DONE]);
    await delivery.offer(anOrder(1));
    await delivery.retry(undefined);
    expect({ posted, wakes, status: delivery.status }).toEqual({ posted: [1], wakes: [], status: "delivered" });
  });

  it("is posted again after longer and longer pauses until it arrives", async () => {
    const { delivery, posted, wakes } = scene([FAILED, FAILED, FAILED, DONE]);
    await delivery.offer(anOrder(1));
    expect(delivery.status).toBe("failing: answered 500");
    for (let time = 0; time < 3; time += 1) await delivery.retry(undefined);
    expect({ posted, wakes, status: delivery.status }).toEqual({
      posted: [1, 1, 1, 1],
      wakes: [1_000, 2_000, 4_000],
      status: "delivered",
    });
  });

  it("gives way to a newer one", async () => {
    const { delivery, posted } = scene([FAILED, DONE]);
    await delivery.offer(anOrder(1));
    await delivery.offer(anOrder(2));
    await delivery.retry(anOrder(1));
    expect(posted).toEqual([1, 2]);
  });

  it("is not posted beyond its deadline", async () => {
    const { delivery, wakes, clock } = scene([FAILED]);
    clock.now = NOW + 59_500;
    await delivery.offer(anOrder(1));
    expect(wakes).toEqual([]);
  });

  it("is taken up again by a cell that has lost its memory of it", async () => {
    const { delivery, posted } = scene([DONE]);
    await delivery.retry(anOrder(7));
    expect(posted).toEqual([7]);
  });
});

it("keeps the last order beyond the cell's memory", async () => {
  const namespace = (env as { CELL: DurableObjectNamespace }).CELL;
  const order = anOrder(3, { stop: ["b"] });
  await runInDurableObject(namespace.getByName("orders"), (_cell, state) => {
    const store = new OrderStore(state.storage.sql);
    expect(store.read()).toBeUndefined();
    store.write(anOrder(2));
    store.write(order);
    store.keepModels("b", []);
  });
  await evictDurableObject(namespace.getByName("orders"));
  await runInDurableObject(namespace.getByName("orders"), (_cell, state) => {
    expect(new OrderStore(state.storage.sql).read()).toEqual(order);
    expect(new OrderStore(state.storage.sql).readModels("b")).toEqual([]);
    expect(new OrderStore(state.storage.sql).readModels("c")).toBeUndefined();
  });
});
