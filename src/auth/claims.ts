// Claims that more than one kind of token carries, as schemas.
import * as z from "zod";

export const tokenIdSchema = z.string().min(1).max(200).describe("jti: id of the token, the handle of its revocation.");

export const subjectSchema = z.string().min(1).max(200).describe("sub: whom the token speaks for.");

export const secondsSchema = z.number().nonnegative().describe("NumericDate of RFC 7519, seconds since the epoch.");

/** SHA-256 in unpadded base64url. */
export const sha256Schema = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

export const runIdSchema = z.string().min(1).max(64).describe("Start of the agent that the token belongs to.");

export const poolSchema = z.string().min(1).max(63).describe("Group of hosts.");

/** What the token opens, by name. */
export const scopeListSchema = z.array(z.string().regex(/^[a-z*][a-z:*-]{0,39}$/)).max(16);
