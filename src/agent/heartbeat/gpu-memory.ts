// How much GPU memory this host has and how much is free: from the operator, NVIDIA's tool, or the kernel's AMD driver.
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const MIB = 1_048_576;
const TOOL_LIMIT_MS = 5_000;
/** Asking the tool takes up to a second of one core, and the answer changes with loads only. */
const ASK_AGAIN_MS = 10_000;
const DRM_DIR = "/sys/class/drm";

export interface GpuMemory {
  readonly vramTotalBytes: number;
  /** Absent where only the operator's word is known: the cell then counts what is loaded. */
  readonly vramFreeBytes?: number;
}

type Ask = () => Promise<GpuMemory | undefined>;

/** Knows the last answer; asks again in the background, so that no heartbeat waits for it. */
export class GpuMemoryWatch {
  readonly #fixedBytes: number | undefined;
  readonly #ask: Ask;
  #last: GpuMemory | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;

  /** `fixedBytes`: the operator's word, which is not doubted. */
  constructor(fixedBytes: number | undefined, ask: Ask = askMachine) {
    this.#fixedBytes = fixedBytes;
    this.#ask = ask;
  }

  read(): Partial<GpuMemory> {
    if (this.#fixedBytes !== undefined) return { vramTotalBytes: this.#fixedBytes };
    const now = performance.now();
    if (now - this.#askedAt >= ASK_AGAIN_MS) {
      this.#askedAt = now;
      void this.#refresh();
    }
    return this.#last ?? {};
  }

  async #refresh(): Promise<void> {
    this.#last = await this.#ask().catch(() => undefined);
    // A machine without a GPU does not get one while it runs.
    if (this.#last === undefined) this.#askedAt = Number.POSITIVE_INFINITY;
  }
}

async function askMachine(): Promise<GpuMemory | undefined> {
  return (await askNvidia()) ?? (await askAmd(DRM_DIR));
}

async function askNvidia(): Promise<GpuMemory | undefined> {
  try {
    const query = ["--query-gpu=memory.total,memory.free", "--format=csv,noheader,nounits"];
    const { stdout } = await promisify(execFile)("nvidia-smi", query, { timeout: TOOL_LIMIT_MS });
    return readNvidia(stdout);
  } catch {
    return undefined;
  }
}

/** Sums up the lines of nvidia-smi, one GPU each: `24564, 23010`, in MiB. */
export function readNvidia(text: string): GpuMemory | undefined {
  const rows = text
    .split("\n")
    .map((line) => /^\s*(\d+)\s*,\s*(\d+)\s*$/.exec(line))
    .filter((row) => row !== null);
  if (rows.length === 0) return undefined;
  const total = rows.reduce((sum, row) => sum + Number(row[1]), 0);
  const free = rows.reduce((sum, row) => sum + Number(row[2]), 0);
  return { vramTotalBytes: total * MIB, vramFreeBytes: free * MIB };
}

/** Sums up the cards of amdgpu (kernel documentation, amdgpu: mem_info_vram_total, mem_info_vram_used). */
export async function askAmd(drmDir: string): Promise<GpuMemory | undefined> {
  const names = await readdir(drmDir).catch(() => []);
  let totalBytes = 0;
  let usedBytes = 0;
  for (const name of names.filter((entry) => /^card\d+$/.test(entry))) {
    const read = async (file: string) => Number(await readFile(join(drmDir, name, "device", file), "utf8"));
    try {
      const [total, used] = [await read("mem_info_vram_total"), await read("mem_info_vram_used")];
      totalBytes += total;
      usedBytes += used;
    } catch {
      // Another maker's card.
    }
  }
  return totalBytes > 0 ? { vramTotalBytes: totalBytes, vramFreeBytes: totalBytes - usedBytes } : undefined;
}
