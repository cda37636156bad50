// Files of the state folder: written whole or not at all, and private where they hold a secret.
import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { fileFault } from "../wire/file-fault.ts";

// Keys, tokens and the cells' data are the owner's business alone.
const PRIVATE_FOLDER_MODE = 0o700;

/** Makes a folder that only its owner can enter; one that exists stays as it is. */
export async function ensureFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: PRIVATE_FOLDER_MODE });
  } catch (cause) {
    throw fileFault("write", path, cause);
  }
}

/** Replaces a file in one step, so that a crash leaves the old or the new text; mode 0600 unless told. */
export async function writeWhole(path: string, text: string, mode = 0o600): Promise<void> {
  await ensureFolder(dirname(path));
  const draft = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(draft, "wx", mode);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw fileFault("write", path, cause);
  }
}

/** The text of a file, or undefined when there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw fileFault("read", path, cause);
  }
}
