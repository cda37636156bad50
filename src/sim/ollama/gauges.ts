// What the simulated host counts about itself, for tests to look at.

export type GaugeReadings = {
  /** Requests that hold a slot now. */
  readonly activeGenerations: number;
  readonly peakActive: number;
  /** Requests that wait for a slot or for a load. */
  readonly waiting: number;
  /** Requests whose client left before the answer was complete. */
  readonly aborted: number;
  /** Loads begun, and those among them that a leaving client cut short. */
  readonly loads: number;
  readonly abortedLoads: number;
  readonly unloads: number;
};

export class Gauges {
  activeGenerations = 0;
  peakActive = 0;
  waiting = 0;
  aborted = 0;
  loads = 0;
  abortedLoads = 0;
  unloads = 0;

  begin(): void {
    this.activeGenerations++;
    this.peakActive = Math.max(this.peakActive, this.activeGenerations);
  }

  end(): void {
    this.activeGenerations--;
  }

  read(): GaugeReadings {
    const { activeGenerations, peakActive, waiting, aborted, loads, abortedLoads, unloads } = this;
    return { activeGenerations, peakActive, waiting, aborted, loads, abortedLoads, unloads };
  }
}
