// Scaling on the wire: what is wanted, for people and for autoscalers that poll, and the order that is posted to a scaler.
import * as z from "zod";
import { hostIdSchema, macSchema } from "./host.ts";

/** An order to whoever starts and stops hosts. */
export const scaleOrderSchema = z.object({
  id: z.int().positive().describe("Rises with every change; an order that came already is not carried out again."),
  cell: z.string().max(200).optional().describe("Whose order it is, where a Hive has several cells."),
  desired: z.int().nonnegative().describe("Hosts that are to run, in all."),
  start: z.array(hostIdSchema).max(10_000).readonly().describe("Known hosts that are to start."),
  create: z.int().nonnegative().describe("Hosts beside them that are to be made, invited and started."),
  macs: z.record(hostIdSchema, macSchema).readonly().default({}).describe("Addresses of sleeping hosts to start."),
  known: z.int().nonnegative().describe("Hosts that are registered, running or not."),
  stop: z
    .array(hostIdSchema)
    .max(10_000)
    .readonly()
    .describe("Hosts that have no work and get none: they may be stopped."),
  reason: z.string().max(500),
  since: z.number().describe("Epoch ms at which the order was given."),
  deadline: z.number().describe("Epoch ms by which it is to be carried out; it is then given anew."),
});
export type ScaleOrder = z.infer<typeof scaleOrderSchema>;

/** What `GET /hive/v1/scale` answers. */
export interface ScaleView {
  readonly hosts: {
    readonly wanted: number;
    readonly serving: number;
    readonly min: number;
    readonly max: number;
    /** Get no more requests and stop once they have none. */
    readonly leaving: readonly string[];
    readonly reason: string;
    /** Epoch ms since when so many are wanted. */
    readonly since: number;
  };
  /** 1 for a host that is to run, 0 for one that may be stopped or may stay away. */
  readonly host: Readonly<Record<string, 0 | 1>>;
  readonly models: readonly ScaleModelView[];
  readonly order?: (ScaleOrder & { readonly delivery?: string | undefined }) | undefined;
}

export interface ScaleModelView {
  readonly name: string;
  readonly wanted: number;
  readonly loaded: number;
  readonly onDisk: number;
  readonly requestsPerSecond: number;
  readonly serviceSeconds: number;
  /** Wait that 95 % of the requests of the window stayed below, as measured. */
  readonly waitP95Ms: number;
  readonly loadSeconds?: number | undefined;
  readonly reason: string;
}
