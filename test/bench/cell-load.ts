// What the benchmark of the cell asks the loading Worker to do.

export type CellLoad = { readonly cell: string } & (
  | { readonly type: "hosts"; readonly hosts: number; readonly models: number; readonly slots: number }
  | {
      readonly type: "heartbeats";
      readonly hosts: number;
      readonly models: number;
      readonly slots: number;
      readonly clients: number;
      /** Sequence number of the first; each later one is higher. */
      readonly from: number;
      readonly count: number;
    }
  /** So many clients, each acquiring and settling one lease after another. */
  | {
      readonly type: "pairs";
      readonly models: number;
      readonly clients: number;
      readonly count: number;
    }
  /** So many requests that ask for a lease and never settle it. */
  | { readonly type: "wait"; readonly models: number; readonly count: number }
  | { readonly type: "look" }
);
