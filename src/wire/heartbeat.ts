// The heartbeat: what an agent tells the cell every few seconds, and what it is told in answer.
import * as z from "zod";
import { macSchema, publicKeySchema } from "./host.ts";

/** Ollama capability, e.g. completion, tools, vision, embedding. */
export const capabilitySchema = z.string().max(40);

export const modelOnDiskSchema = z.object({
  name: z.string().max(500).describe("Display name as /api/tags gives it."),
  digest: z.string().max(128).describe("Manifest digest, 64 hex digits."),
  sizeBytes: z.number().nonnegative(),
  modifiedAt: z.string().max(64).describe("RFC 3339, as Ollama reports it."),
  capabilities: z.array(capabilitySchema).max(32),
  contextLength: z.number().nonnegative().optional().describe("Longest context the model was trained for, tokens."),
  details: z.record(z.string(), z.unknown()).optional().describe("Ollama's details object, passed on untouched."),
  remote: z.boolean().optional().describe("True for a stub of a model that runs off the host."),
  remoteModel: z.string().max(500).optional().describe("What the stub stands for, as Ollama lists it."),
  remoteHost: z.string().max(500).optional(),
});
export type ModelOnDisk = z.infer<typeof modelOnDiskSchema>;

export const runningModelSchema = z.object({
  name: z.string().max(500),
  digest: z.string().max(128),
  contextLength: z.number().nonnegative().describe("Context the runner was started with, tokens; 0 if not told."),
  sizeBytes: z.number().nonnegative(),
  sizeVramBytes: z.number().nonnegative(),
  expiresAt: z.string().max(64).describe("RFC 3339, as Ollama reports it."),
  details: z.record(z.string(), z.unknown()).optional(),
});
export type RunningModel = z.infer<typeof runningModelSchema>;

export const activeLeaseSchema = z.object({
  id: z.string().max(100),
  model: z.string().max(500).describe("Canonical model key."),
  startedAt: z.number().describe("When the agent accepted it, ms, agent's clock."),
});

/** One finished request as the host measured it; durations in ms, absent where Ollama did not tell. */
export const finishedLeaseSchema = z.object({
  id: z.string().max(100),
  model: z.string().max(500),
  outcome: z.enum(["served", "failed", "cancelled"]),
  promptTokens: z.number().nonnegative().optional(),
  promptMs: z.number().nonnegative().optional(),
  outputTokens: z.number().nonnegative().optional(),
  outputMs: z.number().nonnegative().optional(),
  loadMs: z.number().nonnegative().optional(),
  totalMs: z.number().nonnegative(),
});
export type FinishedLease = z.infer<typeof finishedLeaseSchema>;

/** A load that runs now: the agent's own, shared by all requests that wait for it. */
export const loadingSchema = z.object({
  model: z.string().max(500).describe("Canonical model key."),
  runner: z.string().max(300).describe("Runner options of the load; empty for the model's own."),
  elapsedMs: z.number().nonnegative(),
  expectedMs: z.number().positive().optional().describe("How long the last load of the model took here."),
  waiting: z.int().nonnegative().describe("Requests that wait for it."),
});
export type Loading = z.infer<typeof loadingSchema>;

/** What the host is doing on order; one row per model, the failed one until the next order for it. */
export const hostTaskSchema = z.object({
  type: z.enum(["load", "unload", "pull"]),
  model: z.string().max(500).describe("As the order named it: canonical key."),
  startedAt: z.number().describe("ms, agent's clock."),
  doneBytes: z.number().nonnegative().optional(),
  totalBytes: z.number().nonnegative().optional(),
  failure: z.string().max(200).optional().describe("Why it failed; absent while it runs."),
});
export type HostTask = z.infer<typeof hostTaskSchema>;

/** What an agent reports. */
export const heartbeatSchema = z.object({
  runId: z.string().min(8).max(64).describe("New at every start of the agent."),
  memory: z
    .string()
    .max(64)
    .optional()
    .describe("Id that the cell told last; it has a new one after every loss of memory."),
  sequence: z.int().nonnegative().describe("Rises by one or more with every heartbeat of a run."),
  cell: z.string().max(100).optional().describe("The cell named at the join: where to look for the host first."),
  agentVersion: z.string().max(40),
  ollamaVersion: z.string().max(40).describe("Empty while Ollama does not answer."),
  backend: z.enum(["up", "down"]).describe("Whether Ollama answered the agent's own probe."),
  cloud: z.boolean().optional().describe("Whether this Ollama runs models in its cloud when asked to."),
  models: z.array(modelOnDiskSchema).max(2000),
  running: z.array(runningModelSchema).max(200),
  slots: z.int().positive().max(4096).describe("Most requests at once on this host, over all models."),
  parallel: z.int().positive().max(256).describe("Most requests at once per loaded model (OLLAMA_NUM_PARALLEL)."),
  vramTotalBytes: z.number().nonnegative().optional(),
  vramFreeBytes: z.number().nonnegative().optional(),
  draining: z.boolean().optional().describe("True while the agent ends what it has and takes nothing new."),
  shareUrl: z.string().max(300).optional().describe("Where other hosts of the site may fetch this host's model files."),
  tasks: z.array(hostTaskSchema).max(200).optional(),
  active: z.array(activeLeaseSchema).max(4096).describe("Leases now running; the host is the truth about these."),
  finished: z.array(finishedLeaseSchema).max(4096).describe("Requests ended since the last acknowledged heartbeat."),
  loading: z.array(loadingSchema).max(64).optional().describe("Loads that run now."),
  forcedCancels: z
    .int()
    .nonnegative()
    .optional()
    .describe("Requests of this run whose end Ollama did not heed until its connection was reset."),
});
export type Heartbeat = z.infer<typeof heartbeatSchema>;

/** Where a model's files can be had: the cell names host and key, the edge puts its leave in the key's place. */
export const copySourceSchema = z.object({
  hostId: z.string().max(63),
  url: z.string().max(300),
  key: publicKeySchema.optional().describe("The giver's agreement key; never leaves the edge."),
  token: z.string().max(4096).optional().describe("Leave to read the files of this one model."),
});
export type CopySource = z.infer<typeof copySourceSchema>;

export const orderSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("cancel"), leaseId: z.string() }),
  z.object({
    type: z.literal("load"),
    model: z.string(),
    runner: z
      .string()
      .max(300)
      .optional()
      .describe("Options to load it with, see wire/runner-options; its own if none."),
    pinned: z.boolean().optional().describe("True for a model that is never to be unloaded for want of requests."),
  }),
  z.object({ type: z.literal("unload"), model: z.string() }),
  z.object({
    type: z.literal("pull"),
    model: z.string(),
    digest: z.string().max(128).optional().describe("Digest of the copies that others have."),
    from: z.array(copySourceSchema).max(8).optional().describe("Hosts of the site that have the model's files."),
  }),
  z.object({
    type: z.literal("wake"),
    mac: macSchema.describe("Machine on the local network to send a magic packet to."),
  }),
]);
export type Order = z.infer<typeof orderSchema>;

/** How long an agent waits for what; one place sets it for all hosts. */
export const limitsSchema = z.object({
  keepAliveMs: z.int().positive().describe("A byte at least this often on the leg."),
  stallMs: z.int().positive().describe("Longest silence of Ollama inside an answer; twice that with tools or format."),
  abandonLoadsAfterMs: z
    .int()
    .nonnegative()
    .optional()
    .describe("When a load nobody waits for is given up; absent: never."),
});
export type Limits = z.infer<typeof limitsSchema>;

export const heartbeatAnswerSchema = z.object({
  intervalMs: z.int().positive().describe("When to send the next heartbeat."),
  memory: z
    .string()
    .max(64)
    .optional()
    .describe("Id to name in the next heartbeat: one written for another is a replay."),
  unproven: z.boolean().optional().describe("True while the edge has not reached this agent through its hostname."),
  edgeTimeMs: z.number().describe("The edge's clock, epoch ms; agents judge times of tokens by it."),
  resync: z.boolean().describe("True when the cell lost its memory and wants a full report at once."),
  orders: z.array(orderSchema),
  limits: limitsSchema.optional(),
});
export type HeartbeatAnswer = z.infer<typeof heartbeatAnswerSchema>;

/** The answer to a heartbeat that names no memory of the cell, or one that is lost: send another at once that names this. */
export const newCellSchema = z.object({ code: z.literal("new_cell"), memory: z.string().max(64) });
