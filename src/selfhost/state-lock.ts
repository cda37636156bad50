// One edge per state folder: two workerd processes on the same cell files would corrupt them.
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ensureFolder } from "./files.ts";

/** Takes the folder for this process; undefined when another has it. The system frees it when the process dies, however it dies. */
export async function lockState(stateDir: string): Promise<{ release(): void } | undefined> {
  await ensureFolder(stateDir);
  const database = new DatabaseSync(join(stateDir, "lock.sqlite"), { timeout: 0 });
  try {
    // SQLite's file lock is the one lock in Node's own library that no dead process can leave behind.
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (error instanceof Error && /locked|busy/i.test(error.message)) return undefined;
    throw error;
  }
  return {
    release: () => {
      if (database.isOpen) database.close();
    },
  };
}
