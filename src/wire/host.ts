// What a host is on the wire: its identity, what the operator bound in the invite, and the keys it registered.
import * as z from "zod";

/** An id an operator gives a host: a DNS label, so that it can stand in a hostname, a path and a metric. */
export const hostIdSchema = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    "a host id is 1 to 63 of a-z, 0-9 and -, not starting or ending with -",
  );

/** A machine's address on its network, for waking it. */
export const macSchema = z
  .string()
  .regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/, "expected a MAC address such as 0a:1b:2c:3d:4e:5f");

/** A public key of the OKP family as jose exports it. */
export const publicKeySchema = z.strictObject({
  kty: z.literal("OKP"),
  crv: z.enum(["Ed25519", "X25519"]),
  x: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
});
export type PublicKey = z.infer<typeof publicKeySchema>;

/** What an agent registers with a join token. It carries no URL: the operator bound that in the invite. */
export const joinRequestSchema = z.strictObject({
  signingKey: publicKeySchema.describe("Ed25519 key that signs the host's heartbeats."),
  agreementKey: publicKeySchema.describe("X25519 key; edge and host derive the key of their leg from it."),
  proof: z
    .string()
    .max(4096)
    .describe("Heartbeat-style token over this body, signed with signingKey: proves possession."),
});
export type JoinRequest = z.infer<typeof joinRequestSchema>;

export const joinAnswerSchema = z.object({
  hostId: hostIdSchema,
  edgeAgreementKey: publicKeySchema.describe("The edge's X25519 key."),
  issuer: z.string().describe("Issuer name of the edge, expected in every token of the leg."),
  heartbeatIntervalMs: z.int().positive(),
  cell: z.string().max(100).optional().describe("The cell the host belongs to; it names it in its heartbeats."),
  slots: z.int().positive().optional().describe("Slots bound in the invite, if any; they cap what the agent reports."),
});
export type JoinAnswer = z.infer<typeof joinAnswerSchema>;

/** A host as the cell stores it. */
export interface HostRegistration {
  readonly id: string;
  /** Base URL the operator bound: `https://name` or, where allowed, `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly pool: string;
  readonly region: string;
  /** Most requests at once that the operator allows, over what the host reports. */
  readonly slots?: number | undefined;
  /** For waking it when it sleeps. */
  readonly mac?: string | undefined;
  readonly signingKey: PublicKey;
  readonly agreementKey: PublicKey;
  readonly registeredAt: number;
  /** Public half of the edge's key of the leg that the host was told when it joined. */
  readonly edgeKey?: string | undefined;
  /** True for hosts that joined through an edge: each run must prove itself through the hostname, and name the cell it speaks to. */
  readonly guarded?: boolean | undefined;
  readonly drained: boolean;
}
