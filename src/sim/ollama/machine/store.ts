// The models on this host's disk and the blobs that were pushed to it.
import type { ModelName } from "../../../wire/model-name.ts";
import type { SimulatedModel } from "./model.ts";
import type { PlainName } from "../api/plain-name.ts";
import { parseModelName } from "../../../wire/model-name.ts";
import { canonicalOf, fullName, parsePlainName } from "../api/plain-name.ts";

export type StoredModel = SimulatedModel & { readonly parsed: ModelName };

export class ModelStore {
  private readonly byName = new Map<string, StoredModel>();
  /** Digests `sha256:…` of what /api/blobs took. */
  readonly blobs = new Set<string>();

  constructor(models: readonly SimulatedModel[]) {
    for (const model of models) this.add(model);
  }

  /** Adds or replaces; throws when the name is none. */
  add(model: SimulatedModel): void {
    const parsed = parseModelName(model.name);
    if (!parsed.ok) throw new Error(`simulated model ${JSON.stringify(model.name)}: ${parsed.error.message}`);
    // The stub of a cloud model is a tag like others on disk.
    if (parsed.value.source === "cloud") this.addAs(model, parsePlainName(model.name));
    else this.byName.set(parsed.value.canonical, { ...model, parsed: parsed.value });
  }

  /** Adds or replaces under a name that is valid, in its stored spelling. */
  addAs(model: SimulatedModel, name: PlainName): void {
    const { host, namespace, model: own, tag } = this.respell(name);
    const canonical = canonicalOf(name);
    const short = namespace.toLowerCase() === "library" ? `${own}:${tag}` : `${namespace}/${own}:${tag}`;
    const display = host.toLowerCase() === "registry.ollama.ai" ? short : `${host}/${namespace}/${own}:${tag}`;
    const parsed = { host, namespace, model: own, tag, canonical, stored: canonical, display, source: undefined };
    this.byName.set(canonical, { ...model, name: fullName(parsed), parsed });
  }

  findPlain(name: PlainName): StoredModel | undefined {
    return name.valid ? this.byName.get(canonicalOf(name)) : undefined;
  }

  find(name: ModelName): StoredModel | undefined {
    return this.byName.get(name.canonical);
  }

  remove(name: ModelName): boolean {
    return this.byName.delete(name.stored);
  }

  /** Newest first; equals in the order they came. */
  list(): StoredModel[] {
    return [...this.byName.values()].toSorted((a, b) => b.modifiedAt - a.modifiedAt);
  }

  /** The name with each part spelled as a stored model spells it (server/routes.go, getExistingName). */
  respell(name: Parts): Parts {
    const respelled = { host: name.host, namespace: name.namespace, model: name.model, tag: name.tag };
    for (const { parsed } of this.byName.values()) {
      for (const part of ["host", "namespace", "model", "tag"] as const) {
        if (parsed[part].toLowerCase() === name[part].toLowerCase()) respelled[part] = parsed[part];
      }
    }
    return respelled;
  }
}

type Parts = Pick<ModelName, "host" | "namespace" | "model" | "tag">;
