// One edge, and one agent, per state folder: two workerd processes on the same cell files would corrupt them.
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ensureFolder } from "./files.ts";

const FILES = { edge: "lock.sqlite", agent: "agent-lock.sqlite" } as const;

export interface StateLock {
  release(): void;
}

/** Takes the folder for this process; undefined when another has it. The system frees it when the process dies, however it dies. */
export async function lockState(stateDir: string, owner: keyof typeof FILES): Promise<StateLock | undefined> {
  await ensureFolder(stateDir);
  const path = join(stateDir, FILES[owner]);
  let database: DatabaseSync | undefined;
  try {
    // SQLite's file lock is the one lock in Node's own library that no dead process can leave behind.
    database = new DatabaseSync(path, { timeout: 0 });
    database.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    if (database?.isOpen === true) database.close();
    const reason = cause instanceof Error ? cause.message : String(cause);
    if (/locked|busy/i.test(reason)) return undefined;
    const hint = /not a database/.test(reason) ? "it holds nothing: remove it" : "may this user write there?";
    throw new Error(`cannot lock ${path}: ${reason}; ${hint}`, { cause });
  }
  const held = database;
  return {
    release: () => {
      if (held.isOpen) held.close();
    },
  };
}
