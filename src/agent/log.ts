// One log line as an object; whoever writes it down writes the listed fields alone.
import type { LogLine } from "../wire/log-line.ts";

export type Log = (line: LogLine) => void;
