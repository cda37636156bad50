// A heartbeat as the fleet takes it: every model under the key by which it can be asked for.
import type { FleetBeat } from "../core/fleet.ts";
import type { Heartbeat } from "../wire/heartbeat.ts";
import { parseModelName } from "../wire/model-name.ts";
import type { Settings } from "../wire/settings.ts";

/** Gives each model its canonical key; what has no valid name cannot be asked for and is left out. */
export function withKeys(beat: Heartbeat, { ALLOW_CLOUD_MODELS }: Settings): FleetBeat {
  const keyed = <Row extends { name: string }>(rows: readonly Row[]) =>
    rows.flatMap((row) => {
      const name = parseModelName(row.name);
      // The stub of a cloud model is listed, and never taken for the local model of that name.
      return name.ok ? [{ ...row, key: name.value.stored }] : [];
    });
  // A stub of a model that runs elsewhere would send prompts there, whatever it is called.
  const models = beat.models.filter(({ remote }) => ALLOW_CLOUD_MODELS || remote !== true);
  return { ...beat, models: keyed(models), running: keyed(beat.running) };
}
