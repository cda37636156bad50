// TRUSTED_ISSUERS: whose tokens are taken beside this Hive's own, and what their claims mean here.
import * as z from "zod";

const claimName = z.string().min(1).max(200);

/** An issuer of tokens (OIDC, Cloudflare Access). */
export const trustedIssuerSchema = z.strictObject({
  issuer: z.string().min(1).max(300).describe("Exactly the `iss` of its tokens."),
  audience: z.string().min(1).max(300).describe("What `aud` must be, or hold."),
  jwks: z
    .url({ protocol: /^https?$/ })
    .describe("Where its keys are: https, or http on 127.0.0.1 where local hosts are allowed."),
  header: z
    .string()
    .regex(/^[a-z0-9-]{1,60}$/)
    .optional()
    .describe("Request header that carries the token instead of Authorization, e.g. cf-access-jwt-assertion."),
  tenant: claimName
    .default("sub")
    .describe("Claim that names the tenant; it is prefixed with the issuer's hostname and path."),
  role: z
    .strictObject({
      claim: claimName.describe("Claim with one or more values."),
      admin: z.array(z.string()).max(64).default([]).describe("Values that make an operator."),
      manage: z.array(z.string()).max(64).default([]).describe("Values that allow the management of models."),
    })
    .optional()
    .describe("Without it everybody is a client."),
  models: claimName.optional().describe("Claim with globs of models; without it all, where it is missing none."),
  pool: z.string().min(1).max(63).default("default").describe("Hosts its clients may use."),
});
export type TrustedIssuer = z.output<typeof trustedIssuerSchema>;

/**
 * What the names of an issuer's tenants begin with: two issuers may both know an "alice". The path counts, for one server
 * may host the realms of many.
 */
export function namespaceOf(issuer: string): string {
  return issuer.replace(/^https?:\/\//, "").replace(/\/+$/, "");
}

/** Whether one issuer could name a tenant of the other's. */
function doOverlap(one: string, other: string): boolean {
  return `${namespaceOf(one)}/`.startsWith(`${namespaceOf(other)}/`);
}

/** JSON on the outside; each issuer once, for its name decides which keys judge a token. */
export const trustedIssuersSetting = z
  .string()
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      context.issues.push({ code: "custom", input: text, message: "expected a JSON list of issuers" });
      return z.NEVER;
    }
  })
  .pipe(z.array(trustedIssuerSchema).max(16))
  .refine(
    (issuers) =>
      issuers.every((one, at) => issuers.every((other, index) => at === index || !doOverlap(one.issuer, other.issuer))),
    "an issuer is listed twice, or could name the tenants of another",
  );
