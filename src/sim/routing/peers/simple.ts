// Policies that every load balancer has: round robin, random, least connections, two choices.
import { lowest } from "./peer.ts";
import type { MakePeer, PeerHost } from "./peer.ts";

/** Hosts take turns. */
export const roundRobin: MakePeer = () => {
  const turns = new Map<string, number>();
  return {
    choose({ item: { model } }, hosts) {
      const turn = turns.get(model) ?? 0;
      turns.set(model, turn + 1);
      return hosts[turn % hosts.length] ?? missing();
    },
  };
};

/** Every host as likely as every other. */
export const random: MakePeer = ({ random: draw }) => ({
  choose: (_, hosts) => hosts[Math.floor(draw() * hosts.length)] ?? missing(),
});

/** The fewest connections; among equals hosts take turns. */
export const leastConnections: MakePeer = () => {
  let turn = 0;
  return {
    choose(_, hosts) {
      const fewest = Math.min(...hosts.map(({ active }) => active));
      const equals = hosts.filter(({ active }) => active === fewest);
      turn += 1;
      return equals[turn % equals.length] ?? missing();
    },
  };
};

/** The less busy of two hosts drawn at random. */
export const powerOfTwo: MakePeer = ({ random: draw }) => ({
  choose(_, hosts) {
    const first = Math.floor(draw() * hosts.length);
    const second = (first + 1 + Math.floor(draw() * Math.max(1, hosts.length - 1))) % hosts.length;
    const pair = [hosts[first], hosts[second]].filter((host): host is PeerHost => host !== undefined);
    return lowest(pair, ({ active }) => active, draw);
  },
});

function missing(): never {
  throw new RangeError("nothing to choose from");
}
