// Which request runs on which connection, through attempts that fail.
import { expect, it } from "vitest";
import { Connections } from "../../src/cell/connections.ts";
import type { Grant, LeaseRequest } from "../../src/wire/lease.ts";

const CLIENT = "127.0.0.1:50000";

function aGrant(leaseId: string): Grant {
  return { leaseId, hostId: "a" } as Grant;
}

it("knows a request by its newest lease, whatever is said later of the one that failed", () => {
  const connections = new Connections();
  const request = { requestId: "1", connection: CLIENT } as LeaseRequest;
  connections.begin(request);
  connections.granted("1", aGrant("first"));
  connections.begin(request);
  connections.granted("1", aGrant("second"));
  connections.endLease("first");
  expect(connections.on([CLIENT])).toEqual([
    { requestId: "1", lease: { requestId: "1", grant: { leaseId: "second", hostId: "a" } } },
  ]);
  connections.endLease("second");
  expect(connections.on([CLIENT])).toEqual([]);
});
