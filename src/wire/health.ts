// What the edge's health check answers.
import * as z from "zod";

/** The edge answers. */
export const healthSchema = z.object({
  status: z.literal("ok"),
  timeMs: z.number().positive().describe("Epoch ms, the edge's clock: plain workerd sends no Date header."),
});
export type Health = z.infer<typeof healthSchema>;
