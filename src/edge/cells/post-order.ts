// Posts one order for hosts to SCALER_URL, signed; the answer says whether it has to be posted again.
import { sha256Base64Url } from "../../auth/digest.ts";
import { issueScaleToken } from "../../auth/scale-token.ts";
import type { Result } from "../../wire/result.ts";
import type { ScaleOrder } from "../../wire/scale.ts";
import type { Env } from "../env.ts";
import { prepare } from "../env.ts";

const ANSWER_LIMIT_MS = 10_000;

/** Posts the order; the error is a reason for operators. */
export async function postOrder(env: Env, order: ScaleOrder): Promise<Result<true, string>> {
  try {
    const { keys, settings } = await prepare(env);
    const body = new TextEncoder().encode(JSON.stringify(order));
    const expected = { issuer: settings.HIVE_ISSUER, now: Date.now() };
    const token = await issueScaleToken(keys, await sha256Base64Url(body), expected);
    const response = await fetch(settings.SCALER_URL, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body,
      redirect: "manual",
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
    await response.body?.cancel();
    return response.ok ? { ok: true, value: true } : { ok: false, error: `answered ${response.status}` };
  } catch (cause) {
    return { ok: false, error: cause instanceof Error && cause.name === "TimeoutError" ? "timed out" : "not reached" };
  }
}
