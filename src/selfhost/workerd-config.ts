// The configuration plain workerd reads, in Cap'n Proto's text form.
import type { EdgeConfig } from "./config.ts";

// Name the objects' files. Other values would orphan every registered host, and forget every revocation.
const CELL_UNIQUE_KEY = "hive-cell";
const DIRECTORY_UNIQUE_KEY = "hive-directory";

export interface WorkerdLayout {
  /** `ADDRESS:PORT`; port 0 is any free one. */
  readonly listen: string;
  /** File name of the bundle, beside the configuration. */
  readonly moduleName: string;
  /** Absolute path of the folder with the cells' SQLite files. */
  readonly cellsDir: string;
}

/** Writes the configuration of one edge; HIVE_KEYS comes from the child's environment, so that no file repeats the keys. */
export function workerdConfig(
  config: Pick<EdgeConfig, "compatibilityDate" | "compatibilityFlags" | "vars">,
  layout: WorkerdLayout,
): string {
  const bindings = Object.entries(config.vars).map(([name, value]) =>
    typeof value === "string"
      ? `(name = ${quote(name)}, text = ${quote(value)})`
      : `(name = ${quote(name)}, json = ${quote(JSON.stringify(value))})`,
  );
  bindings.push(
    `(name = "HIVE_KEYS", fromEnvironment = "HIVE_KEYS")`,
    `(name = "TUNNEL_ACCESS", fromEnvironment = "TUNNEL_ACCESS")`,
    `(name = "CELL", durableObjectNamespace = "Cell")`,
    `(name = "DIRECTORY", durableObjectNamespace = "Directory")`,
  );
  return `# Written by hive at every start; edit wrangler.toml instead.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "edge", worker = .edge),
    (name = "network", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true))),
    (name = "cells", disk = (path = ${quote(layout.cellsDir)}, writable = true)),
  ],
  sockets = [(name = "http", address = ${quote(layout.listen)}, http = (), service = "edge")],
);

const edge :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed ${quote(layout.moduleName)})],
  compatibilityDate = ${quote(config.compatibilityDate)},
  compatibilityFlags = [${config.compatibilityFlags.map(quote).join(", ")}],
  bindings = [
    ${bindings.join(",\n    ")},
  ],
  globalOutbound = "network",
  durableObjectNamespaces = [
    (className = "Cell", uniqueKey = ${quote(CELL_UNIQUE_KEY)}, enableSql = true),
    (className = "Directory", uniqueKey = ${quote(DIRECTORY_UNIQUE_KEY)}, enableSql = true),
  ],
  durableObjectStorage = (localDisk = "cells"),
);
`;
}

/** A Cap'n Proto text literal: C's escapes, other bytes as they are. */
function quote(text: string): string {
  const escaped = Array.from(text, (char) => {
    if (char === '"' || char === "\\") return `\\${char}`;
    const code = char.charCodeAt(0);
    return code < 0x20 || code === 0x7f ? `\\x${code.toString(16).padStart(2, "0")}` : char;
  });
  return `"${escaped.join("")}"`;
}
