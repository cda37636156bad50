// The prefix a base URL may carry: `/k/KEY` (a token, for programs that can set no header) and `/h/HOST` (one host).

export interface ClientPath {
  /** The path without prefix, always starting with a slash: what routes match and hosts see. */
  readonly path: string;
  readonly key?: string;
  readonly hostId?: string;
}

/** Splits the prefix off a URL's path. Unknown prefixes stay part of the path. */
export function readClientPath(url: string): ClientPath {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const end = url.search(/[?#]/);
  let path = start < 0 ? "/" : url.slice(start, end < 0 ? undefined : end);
  let key: string | undefined;
  let hostId: string | undefined;
  const keyed = /^\/k\/([A-Za-z0-9._-]+)(\/.*)?$/.exec(path);
  if (keyed !== null) {
    key = keyed[1];
    path = keyed[2] ?? "/";
  }
  const pinned = /^\/h\/([^/]+)(\/.*)?$/.exec(path);
  if (pinned !== null) {
    hostId = pinned[1];
    path = pinned[2] ?? "/";
  }
  return { path: normalize(path), ...(key === undefined ? {} : { key }), ...(hostId === undefined ? {} : { hostId }) };
}

/** Ollama redirects `/api/chat/` and `//api/chat`; serving both directly gives the same outcome and loses no body. */
function normalize(path: string): string {
  const single = path.includes("//") ? path.replaceAll(/\/{2,}/g, "/") : path;
  return single.length > 1 && single.endsWith("/") ? single.slice(0, -1) : single;
}
