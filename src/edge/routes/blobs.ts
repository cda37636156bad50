// Blobs for `create`: asked for and uploaded at the one host where whoever builds will build. Nothing of them is held here.
import type { Context } from "hono";
import { ERRORS } from "../../wire/errors.ts";
import { sha256Base64Url } from "../../auth/digest.ts";
import type { HonoEnv } from "../env.ts";
import type { Forwarded } from "../leg/forward.ts";
import { callTargets, readWish, workHeaders } from "../models/model-work.ts";
import { planWork } from "../models/plan-work.ts";
import { refuse } from "../refuse.ts";
import { combine, readAnswers } from "../models/work-answer.ts";

const DIGEST = /^sha256[:-]([0-9a-f]{64})$/;

/** HEAD: whether the host has the blob. */
export async function askForBlob(c: Context<HonoEnv>): Promise<Response> {
  return await atBuilder(c, async (digest) => ({
    method: "HEAD",
    path: `/api/blobs/${digest}`,
    body: new Uint8Array(0),
    bodySha256: await sha256Base64Url(new Uint8Array(0)),
  }));
}

/** POST: the blob, as it comes. Its name is the hash of its bytes, so that the token binds them before they are here. */
export async function uploadBlob(c: Context<HonoEnv>): Promise<Response> {
  return await atBuilder(c, async (digest, hex) => ({
    method: "POST",
    path: `/api/blobs/${digest}`,
    body: c.req.raw.body ?? new Uint8Array(0),
    bodySha256: base64Url(hex),
  }));
}

type Call = Pick<Forwarded, "method" | "path" | "body" | "bodySha256">;

async function atBuilder(
  c: Context<HonoEnv>,
  callFor: (digest: string, hex: string) => Promise<Call>,
): Promise<Response> {
  const digest = c.req.param("digest") ?? "";
  const hex = DIGEST.exec(digest)?.[1];
  if (hex === undefined) return refuse("ollama", { code: "bad_request", message: "invalid digest format" });
  const wish = readWish(c);
  if (!wish.ok) return refuse("ollama", wish.error);
  // A stream can be sent once.
  const plan = await planWork(c, { work: "create", hosts: wish.value.hosts?.slice(0, 1) });
  if (!plan.ok) {
    const { code, detail, retryAfterSeconds } = plan.error;
    return refuse("ollama", {
      code,
      message: `hive: ${ERRORS[code].title.toLowerCase()}: ${detail}`,
      retryAfterSeconds,
    });
  }
  const request = {
    requestId: c.var.requestId,
    contentType: "application/octet-stream",
    userAgent: null,
    ...(await callFor(digest, hex)),
  };
  const answers = await callTargets(c, plan.value.targets, request, new AbortController());
  return combine(await readAnswers(answers), workHeaders(c, plan.value));
}

function base64Url(hex: string): string {
  const bytes = hex.match(/../g)?.map((pair) => String.fromCharCode(Number.parseInt(pair, 16))) ?? [];
  return btoa(bytes.join("")).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
