// Soaks a fleet: node test/bench/soak.ts [SECONDS] [SEED]. Ends with 1 where a client saw what none may see, or anything was left.
import { soak } from "../support/soak/soak.ts";

const [seconds = "120", seed = "1"] = process.argv.slice(2);
const report = await soak(Number(seed), Number(seconds) * 1_000);
console.log(`${report.visits} visits in ${seconds} s, seed ${seed}`);
console.table([report.outcomes]);
console.table([report.strikes]);
console.log(`nothing left ${report.emptiedMs} ms after the last visit`);
console.log("open files, after a third and at the end:");
console.table([report.early.files, report.late.files]);
console.log("resident MB, after a third and at the end:");
console.table([report.early.memoryMb, report.late.memoryMb]);
for (const wrong of report.wrongs.slice(0, 20)) console.log(`WRONG ${wrong}`);
if (report.wrongs.length > 0) process.exitCode = 1;
