// The manifests of the README: what Kubernetes and KEDA would read of them, and that the figures they point to exist.
import { readFile } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import * as z from "zod";
import { createFleet, step } from "../../src/core/fleet.ts";
import { createScaler, evaluate } from "../../src/core/scale/scaler.ts";
import { viewScale } from "../../src/core/scale/view.ts";
import { aRegistration, T0 } from "../core/builders.ts";

const metadata = z.strictObject({ name: z.string().regex(/^[a-z0-9-]+$/) });
const keyRef = z.strictObject({ secretKeyRef: z.strictObject({ name: z.string(), key: z.string() }) });
const container = z.strictObject({
  name: z.string(),
  image: z.string().regex(/^[^\s:]+(\/[^\s:]+)*:[\w.-]+$/),
  restartPolicy: z.literal("Always").optional(),
  args: z.array(z.string()).optional(),
  env: z.array(z.strictObject({ name: z.string(), valueFrom: keyRef })).optional(),
  resources: z.strictObject({ limits: z.record(z.string(), z.number()) }).optional(),
  volumeMounts: z.array(z.strictObject({ name: z.string(), mountPath: z.string(), subPath: z.string() })).optional(),
});
const deployment = z.strictObject({
  apiVersion: z.literal("apps/v1"),
  kind: z.literal("Deployment"),
  metadata,
  spec: z.strictObject({
    replicas: z.int(),
    strategy: z.strictObject({ type: z.literal("Recreate") }),
    selector: z.strictObject({ matchLabels: z.record(z.string(), z.string()) }),
    template: z.strictObject({
      metadata: z.strictObject({ labels: z.record(z.string(), z.string()) }),
      spec: z.strictObject({
        terminationGracePeriodSeconds: z.int(),
        initContainers: z.array(container),
        containers: z.array(container),
        volumes: z.array(
          z.strictObject({ name: z.string(), persistentVolumeClaim: z.strictObject({ claimName: z.string() }) }),
        ),
      }),
    }),
  }),
});
// Fields and types of keda.sh/v1alpha1; the trigger's metadata are strings, as KEDA demands.
const scaledObject = z.strictObject({
  apiVersion: z.literal("keda.sh/v1alpha1"),
  kind: z.literal("ScaledObject"),
  metadata,
  spec: z.strictObject({
    scaleTargetRef: z.strictObject({ name: z.string() }),
    pollingInterval: z.int().positive(),
    cooldownPeriod: z.int().positive(),
    minReplicaCount: z.int().nonnegative(),
    maxReplicaCount: z.int().positive(),
    triggers: z
      .array(
        z.strictObject({
          type: z.literal("metrics-api"),
          metadata: z.strictObject({
            url: z.url(),
            valueLocation: z.string(),
            targetValue: z.string().regex(/^\d+$/),
            activationTargetValue: z.string().regex(/^\d+$/),
            authMode: z.literal("bearer"),
          }),
          authenticationRef: z.strictObject({ name: z.string() }),
        }),
      )
      .length(1),
  }),
});
const authentication = z.strictObject({
  apiVersion: z.literal("keda.sh/v1alpha1"),
  kind: z.literal("TriggerAuthentication"),
  metadata,
  spec: z.strictObject({
    secretTargetRef: z.array(z.strictObject({ parameter: z.literal("token"), name: z.string(), key: z.string() })),
  }),
});
const secret = z.strictObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("Secret"),
  metadata,
  stringData: z.record(z.string(), z.string()),
});
const claim = z.strictObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("PersistentVolumeClaim"),
  metadata,
  spec: z.strictObject({
    accessModes: z.array(z.string()),
    resources: z.strictObject({ requests: z.strictObject({ storage: z.string() }) }),
  }),
});

const objects: Record<string, unknown> = {};

beforeAll(async () => {
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const keda = readme.slice(readme.indexOf("### KEDA"));
  const block = /```yaml\n([\s\S]*?)```/.exec(keda)?.[1] ?? "";
  for (const document of parseAllDocuments(block)) {
    expect(document.errors).toEqual([]);
    const object = document.toJS() as { kind: string };
    objects[object.kind] = object;
  }
});

describe("the manifests of the README", () => {
  it("have the shape that Kubernetes and KEDA read, and nothing else", () => {
    for (const [kind, schema] of Object.entries({
      Secret: secret,
      PersistentVolumeClaim: claim,
      Deployment: deployment,
      TriggerAuthentication: authentication,
      ScaledObject: scaledObject,
    })) {
      expect(schema.safeParse(objects[kind]).error?.issues, kind).toBeUndefined();
    }
    expect(Object.keys(objects)).toHaveLength(5);
  });

  it("name each other rightly: target, secret, keys, claim, volumes", () => {
    const { spec, metadata: own } = deployment.parse(objects["Deployment"]);
    const scaled = scaledObject.parse(objects["ScaledObject"]);
    const keys = Object.keys(secret.parse(objects["Secret"]).stringData);
    const auth = authentication.parse(objects["TriggerAuthentication"]);
    expect(scaled.spec.scaleTargetRef.name).toBe(own.name);
    expect(scaled.spec.triggers[0]?.authenticationRef.name).toBe(auth.metadata.name);
    expect(auth.spec.secretTargetRef.map(({ key }) => key)).toEqual(["token"]);
    expect(spec.template.metadata.labels).toEqual(spec.selector.matchLabels);
    const containers = [...spec.template.spec.initContainers, ...spec.template.spec.containers];
    for (const { valueFrom } of containers.flatMap(({ env }) => env ?? []))
      expect(keys).toContain(valueFrom.secretKeyRef.key);
    const volumes = spec.template.spec.volumes.map(({ name }) => name);
    for (const mount of containers.flatMap(({ volumeMounts }) => volumeMounts ?? []))
      expect(volumes).toContain(mount.name);
    expect(spec.template.spec.volumes[0]?.persistentVolumeClaim.claimName).toBe(
      claim.parse(objects["PersistentVolumeClaim"]).metadata.name,
    );
  });

  it("give the agent longer to end than it takes to drain, and Ollama longer than the agent", () => {
    const { spec } = deployment.parse(objects["Deployment"]).spec.template;
    const args = spec.containers[0]?.args ?? [];
    expect(args[args.indexOf("--drain") + 1]).toBe("30m");
    expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(30 * 60);
    expect(spec.initContainers.every(({ restartPolicy }) => restartPolicy === "Always")).toBe(true);
  });

  it("point KEDA at a number that /hive/v1/scale has", () => {
    const { valueLocation, url } = scaledObject.parse(objects["ScaledObject"]).spec.triggers[0]?.metadata ?? {};
    expect(url?.endsWith("/hive/v1/scale")).toBe(true);
    const view: unknown = scaleOf("gpu1");
    expect(at(view, valueLocation ?? "")).toBe(0);
    expect(at(view, "hosts.wanted")).toBe(0);
  });
});

/** What the route answers for a fleet of one host that was never heard. */
function scaleOf(hostId: string): unknown {
  const settings = {
    maxInstances: 10,
    queueTimeoutMs: 30_000,
    queueLimit: 4,
    heartbeatIntervalMs: 5_000,
    policy: "random",
  } as const;
  const fleet = createFleet(settings, T0);
  step(fleet, { type: "host-registered", registration: aRegistration(hostId) }, { now: T0, random: Math.random });
  const rule = {
    pinned: false,
    minCopies: 0,
    maxCopies: 1,
    pull: false,
    mayRunOn: () => true,
    mayComeFrom: () => true,
  };
  const times = { targetWaitMs: 2_000, windowMs: 120_000, coolDownMs: 300_000, orderMs: 300_000 };
  const scaler = createScaler({ minHosts: 0, maxHosts: 10, steersHosts: true, ruleOf: () => rule, ...times }, T0);
  return JSON.parse(JSON.stringify(viewScale(evaluate(scaler, fleet, T0), scaler))) as unknown;
}

/** GJSON's dotted path, as KEDA's valueLocation. */
function at(value: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((part, name) => (part as Record<string, unknown> | undefined)?.[name], value);
}
