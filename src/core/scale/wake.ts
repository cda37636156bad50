// Who wakes a host that is to start: another agent of its site, for a magic packet does not leave the local network.
import type { HostOrder } from "./copies.ts";
import type { StandingOrder } from "./hosts.ts";
import type { Fleet } from "../state.ts";
import { servingHosts } from "./wanted.ts";

/** Orders to wake each host of an order whose MAC address is known and that shares its region with one that is up. */
export function wakeOrders(fleet: Fleet, order: StandingOrder, now: number): HostOrder[] {
  const awake = servingHosts(fleet, now);
  return order.start.flatMap((id) => {
    const sleeper = fleet.hosts.get(id)?.registration;
    if (sleeper?.mac === undefined) return [];
    const neighbour = awake.find(({ registration }) => registration.region === sleeper.region);
    return neighbour === undefined
      ? []
      : [{ hostId: neighbour.registration.id, order: { type: "wake", mac: sleeper.mac } as const }];
  });
}
