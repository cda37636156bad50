// Where this checkout lies: the folder that holds wrangler.toml and the sources of the Worker.
import { fileURLToPath } from "node:url";

export const PROJECT_DIR = fileURLToPath(new URL("../..", import.meta.url));
