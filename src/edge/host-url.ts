// Where the edge may send requests: what an operator can bind to a host, and nothing else (SSRF).
import type { Result } from "../wire/result.ts";
import type { Settings } from "../wire/settings.ts";

const LABELS = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$/;

/** The base URL of a host, without trailing slash; or why it may not be one. */
export function checkHostUrl(text: string, settings: Settings, edgeHostname: string): Result<string, string> {
  let url: URL;
  try {
    url = new URL(text.includes("://") ? text : `https://${text}`);
  } catch {
    return { ok: false, error: "the hostname is not a valid name or URL" };
  }
  if (url.username !== "" || url.password !== "" || url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    return { ok: false, error: "a host's URL has no user, path, query or fragment" };
  }
  if (url.hostname === "127.0.0.1" && url.protocol === "http:") {
    if (!settings.ALLOW_LOCAL_HOSTS) return { ok: false, error: "local hosts are off (ALLOW_LOCAL_HOSTS)" };
    return { ok: true, value: url.origin };
  }
  if (url.protocol !== "https:" || url.port !== "") return { ok: false, error: "a host's URL is https on port 443" };
  if (!LABELS.test(url.hostname) || url.hostname === edgeHostname)
    return { ok: false, error: "the hostname may not be a host" };
  const allowed = settings.HOST_DOMAINS.some((suffix) =>
    url.hostname.endsWith(suffix.startsWith(".") ? suffix : `.${suffix}`),
  );
  if (!allowed) return { ok: false, error: "the hostname has none of the suffixes in HOST_DOMAINS" };
  return { ok: true, value: url.origin };
}
