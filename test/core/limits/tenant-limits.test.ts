// What a tenant may take: each limit at its edge, over all of a tenant's tokens, and never at another tenant's cost.
import { describe, expect, it } from "vitest";
import { admit, createTenantLimits, LOADS_DEFAULT } from "../../../src/core/limits/tenant-limits.ts";
import type { TenantNow } from "../../../src/core/limits/tenant-limits.ts";
import type { TenantLimits } from "../../../src/wire/lease.ts";
import { aRequest, T0 } from "../builders.ts";

const QUIET: TenantNow = { now: T0, underWay: 0, tokensToday: 0, loads: false };
const DAY_MS = 86_400_000;

function asking(allowed: TenantLimits, { tenant = "acme", tokenId = "t1" } = {}) {
  const principal = { tokenId, tenant, priority: "normal", pool: "default", limits: allowed } as const;
  return aRequest("r", { principal, promptBytes: 400 });
}

describe("a tenant's limits [T22 T23]", () => {
  it("let rpm requests through in any 60 s, and tell when the next may come", () => {
    const limits = createTenantLimits();
    const ask = (now: number, tokenId: string) => admit(limits, asking({ rpm: 3 }, { tokenId }), { ...QUIET, now });
    expect([ask(T0, "t1"), ask(T0 + 1_000, "t2"), ask(T0 + 2_000, "t1")]).toEqual([undefined, undefined, undefined]);
    expect(ask(T0 + 2_500, "t2")).toMatchObject({ code: "tenant_limited", retryAfterSeconds: 58 });
    expect(ask(T0 + 59_999, "t1")).toMatchObject({ code: "tenant_limited", retryAfterSeconds: 1 });
    expect(ask(T0 + 60_000, "t1")).toBeUndefined();
    expect(ask(T0 + 60_500, "t1")).toMatchObject({ code: "tenant_limited" });
  });

  it("do not count what they refused", () => {
    const limits = createTenantLimits();
    const ask = (now: number) => admit(limits, asking({ rpm: 1 }), { ...QUIET, now });
    expect(ask(T0)).toBeUndefined();
    for (let second = 1; second < 60; second += 1) expect(ask(T0 + second * 1_000)).toBeDefined();
    expect(ask(T0 + 60_000)).toBeUndefined();
  });

  it("of one tenant cost another nothing", () => {
    const limits = createTenantLimits();
    expect(admit(limits, asking({ rpm: 1 }), QUIET)).toBeUndefined();
    expect(admit(limits, asking({ rpm: 1 }), QUIET)).toBeDefined();
    expect(admit(limits, asking({ rpm: 1 }, { tenant: "other" }), QUIET)).toBeUndefined();
  });

  it("hold requests at once to the last one", () => {
    const at = (underWay: number) => admit(createTenantLimits(), asking({ concurrent: 2 }), { ...QUIET, underWay });
    expect([at(0), at(1), at(2)?.code]).toEqual([undefined, undefined, "tenant_limited"]);
  });

  it("hold the day's tokens, the prompt that asks included, until midnight UTC", () => {
    const midnight = T0 - (T0 % DAY_MS) + DAY_MS;
    const at = (tokensToday: number, now: number) =>
      admit(createTenantLimits(), asking({ tokensPerDay: 1_000 }), { ...QUIET, tokensToday, now });
    expect(at(900, T0)).toBeUndefined();
    expect(at(901, T0)).toMatchObject({ code: "tenant_limited", retryAfterSeconds: 120 });
    expect(at(901, midnight - 30_000)).toMatchObject({ retryAfterSeconds: 30 });
  });

  it("bound the loads a tenant causes in 10 minutes, and nothing but loads", () => {
    const limits = createTenantLimits();
    const ask = (now: number, loads: boolean) => admit(limits, asking({}), { ...QUIET, now, loads });
    for (let load = 0; load < LOADS_DEFAULT; load += 1) expect(ask(T0 + load, true)).toBeUndefined();
    expect(ask(T0 + 1_000, true)).toMatchObject({ code: "tenant_limited", retryAfterSeconds: 120 });
    expect(ask(T0 + 1_000, false)).toBeUndefined();
    expect(ask(T0 + 600_000, true)).toBeUndefined();
    expect(admit(createTenantLimits(), asking({ loads: 0 }), { ...QUIET, loads: true })).toBeDefined();
  });

  it("forget tenants that have been away, so that names cannot fill the memory", () => {
    const limits = createTenantLimits();
    for (let tenant = 0; tenant < 1_000; tenant += 1)
      admit(limits, asking({}, { tenant: `tenant-${String(tenant)}` }), QUIET);
    admit(limits, asking({}, { tenant: "late" }), { ...QUIET, now: T0 + 600_001 });
    expect(limits.size).toBe(1);
  });
});
