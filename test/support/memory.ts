// Memory of running processes, from Linux' own account of it.
import { readFile } from "node:fs/promises";

/** Resident memory of a process, in MB. */
export async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? "NaN") / 1_000);
}

/** The child of a process that runs the program of this name. */
export async function childOf(pid: number, name: string): Promise<number> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  for (const child of children.trim().split(" "))
    if ((await readFile(`/proc/${child}/comm`, "utf8")).trim() === name) return Number(child);
  throw new Error(`no ${name} below ${pid}`);
}
