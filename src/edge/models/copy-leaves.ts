// Leave to copy models from host to host: the cell names the hosts, the edge signs what opens their doors.
import { issueCopyToken } from "../../auth/copy-token.ts";
import { deriveLegKey } from "../../auth/leg-token.ts";
import type { CopySource, HeartbeatAnswer, Order } from "../../wire/heartbeat.ts";
import type { Prepared } from "../env.ts";

/** The answer with a token in place of each giver's key; unchanged where nothing is to be copied. */
export async function withLeaves(prepared: Prepared, taker: string, answer: HeartbeatAnswer): Promise<HeartbeatAnswer> {
  if (!answer.orders.some((order) => order.type === "pull" && order.from !== undefined)) return answer;
  return {
    ...answer,
    orders: await Promise.all(answer.orders.map(async (order) => await sign(prepared, taker, order))),
  };
}

async function sign(prepared: Prepared, taker: string, order: Order): Promise<Order> {
  if (order.type !== "pull" || order.from === undefined) return order;
  const signed = order.from.map(async ({ hostId, url, key }): Promise<CopySource[]> => {
    if (key === undefined) return [];
    const legKey = await deriveLegKey(prepared.keys.leg.privateKey, key, hostId);
    const grant = { giver: hostId, taker, model: order.model, issuer: prepared.settings.HIVE_ISSUER, now: Date.now() };
    return [{ hostId, url, token: await issueCopyToken(legKey, grant) }];
  });
  return { ...order, from: (await Promise.all(signed)).flat() };
}
