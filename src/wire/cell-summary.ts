// What an edge needs to know of a cell before it asks it for a lease; small, for it is read every other second.

/** Room for one model, or for a request any host may answer. */
export interface Room {
  /** Slots of online hosts that could serve it; 0 where only hosts that are away have it. */
  readonly slots: number;
  /** How many more requests could start now. */
  readonly free: number;
  /** Requests that wait for it. */
  readonly waiting: number;
  /** What is served under the model's name here, and by how many hosts; absent while no host that has it is online. */
  readonly digest?: string | undefined;
  readonly copies?: number | undefined;
}

export interface CellSummary {
  /** Hosts registered. */
  readonly hosts: number;
  /** True while a restarted cell still waits for the first heartbeats: it may know more in a moment. */
  readonly warming: boolean;
  readonly any: Room;
  /** By canonical model key. */
  readonly models: Readonly<Record<string, Room>>;
}
