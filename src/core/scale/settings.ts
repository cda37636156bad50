// What an operator decides about scaling, as the core needs it: bounds, times, and one rule per model.

/** What holds for one model. */
export interface ModelRule {
  /** Never unloaded by Hive, and kept in memory by Ollama. */
  readonly pinned: boolean;
  /** Copies in memory, whatever the demand. */
  readonly minCopies: number;
  readonly maxCopies: number;
  /** Whether it may be downloaded to hosts that lack it. */
  readonly pull: boolean;
  /** Whether Hive may load or pull it there. */
  readonly mayRunOn: (hostId: string) => boolean;
  /** Whether its files may be copied from there. */
  readonly mayComeFrom: (hostId: string) => boolean;
}

export interface ScaleSettings {
  readonly minHosts: number;
  readonly maxHosts: number;
  /** Beyond so many registered ones no new hosts are asked for, if less than the most: the others are for other cells. */
  readonly maxMade?: number | undefined;
  /** What 95 % of requests shall not wait longer than. */
  readonly targetWaitMs: number;
  readonly windowMs: number;
  readonly coolDownMs: number;
  /** Within what time an order for hosts is to be carried out. */
  readonly orderMs: number;
  /** Whether somebody acts on the number of hosts: without, none is taken out of service. */
  readonly steersHosts: boolean;
  readonly ruleOf: (model: string) => ModelRule;
}
