// Claims that more than one kind of token carries, as schemas.
import * as z from "zod";

/** jti: id of the token, the handle of its revocation. */
export const tokenIdSchema = z.string().min(1).max(200);

/** sub: whom the token speaks for. */
export const subjectSchema = z.string().min(1).max(200);

/** NumericDate of RFC 7519, seconds since the epoch. */
export const secondsSchema = z.number().nonnegative();

/** SHA-256 in unpadded base64url. */
export const sha256Schema = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

/** Start of the agent that the token belongs to. */
export const runIdSchema = z.string().min(1).max(64);

/** Group of hosts. */
export const poolSchema = z.string().min(1).max(63);

/** What the token opens, by name. */
export const scopeListSchema = z.array(z.string().regex(/^[a-z*][a-z:*-]{0,39}$/)).max(16);
