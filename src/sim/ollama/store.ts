// The models on this host's disk and the blobs that were pushed to it.
import type { ModelName } from "../../wire/model-name.ts";
import type { SimulatedModel } from "./model.ts";
import { parseModelName } from "../../wire/model-name.ts";

export type StoredModel = SimulatedModel & { readonly parsed: ModelName };

export class ModelStore {
  private readonly byName = new Map<string, StoredModel>();
  /** Digests `sha256:…` of what /api/blobs took. */
  readonly blobs = new Set<string>();

  constructor(models: readonly SimulatedModel[]) {
    for (const model of models) this.add(model);
  }

  /** Adds or replaces; throws when the name is none. */
  add(model: SimulatedModel): StoredModel {
    const parsed = parseModelName(model.name);
    if (!parsed.ok) throw new Error(`simulated model ${JSON.stringify(model.name)}: ${parsed.error.message}`);
    const stored = { ...model, parsed: parsed.value };
    this.byName.set(parsed.value.canonical, stored);
    return stored;
  }

  find(name: ModelName): StoredModel | undefined {
    return this.byName.get(name.canonical);
  }

  remove(name: ModelName): boolean {
    return this.byName.delete(name.canonical);
  }

  /** Newest first; equals in the order they came. */
  list(): StoredModel[] {
    return [...this.byName.values()].toSorted((a, b) => b.modifiedAt - a.modifiedAt);
  }

  /** The name with each part spelled as a stored model spells it (server/routes.go, getExistingName). */
  respell(name: ModelName): ModelName {
    const respelled = { ...name };
    for (const { parsed } of this.byName.values()) {
      for (const part of ["host", "namespace", "model", "tag"] as const) {
        if (parsed[part].toLowerCase() === name[part].toLowerCase()) respelled[part] = parsed[part];
      }
    }
    const text = `${respelled.host}/${respelled.namespace}/${respelled.model}:${respelled.tag}`;
    const parsed = parseModelName(text);
    return parsed.ok ? parsed.value : name;
  }
}
