// Where the edge may send requests: what an operator can bind to a host, and nothing else (SSRF).
import type { Result } from "../../wire/result.ts";
import type { Settings } from "../../wire/settings.ts";

const LABELS = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$/;

/** Names that no public DNS has: `metadata.google.internal` and the like. */
const PRIVATE = /\.(?:internal|local|localhost|localdomain|lan|home|corp|intranet|private|arpa)$/i;

/** Whether a text is a name of the public DNS: no address however written, no port, nothing of the own network. */
export function isPublicName(text: string): boolean {
  return LABELS.test(text.toLowerCase()) && !PRIVATE.test(text);
}

/** The base URL of a host, without trailing slash; or why it may not be one. */
export function checkHostUrl(text: string, settings: Settings, edgeHostname: string): Result<string, string> {
  const url = URL.parse(text.includes("://") ? text : `https://${text}`);
  if (url === null) return refused("the hostname is not a valid name or URL");
  if (url.username !== "" || url.password !== "" || url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    return refused("a host's URL has no user, path, query or fragment");
  }
  const reason = url.protocol === "http:" ? whyNotLocal(url, settings) : whyNotTunnel(url, settings, edgeHostname);
  return reason === undefined ? { ok: true, value: url.origin } : refused(reason);
}

function whyNotLocal(url: URL, settings: Settings): string | undefined {
  if (url.hostname !== "127.0.0.1") return "a host's URL is https, or http://127.0.0.1:PORT";
  return settings.ALLOW_LOCAL_HOSTS ? undefined : "local hosts are off (ALLOW_LOCAL_HOSTS)";
}

function whyNotTunnel(url: URL, settings: Settings, edgeHostname: string): string | undefined {
  if (url.protocol !== "https:" || url.port !== "") return "a host's URL is https on port 443";
  if (!LABELS.test(url.hostname) || url.hostname === edgeHostname) return "the hostname may not be a host";
  const named = settings.HOST_DOMAINS.some((suffix) =>
    url.hostname.endsWith(suffix.startsWith(".") ? suffix : `.${suffix}`),
  );
  return named ? undefined : "the hostname has none of the suffixes in HOST_DOMAINS";
}

function refused(error: string): Result<never, string> {
  return { ok: false, error };
}
