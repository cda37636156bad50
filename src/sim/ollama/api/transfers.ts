// Models that come and go: pull from the made-up registry, push, create.
import { createHash } from "node:crypto";
import type { ModelName } from "../../../wire/model-name.ts";
import type { Exchange } from "../exchange.ts";
import type { Host } from "../host.ts";
import type { SimulatedModel } from "../machine/model.ts";
import type { PlainName } from "./plain-name.ts";
import type { ProgressRecord } from "./progress.ts";
import { parseModelName } from "../../../wire/model-name.ts";
import { sendError } from "../exchange.ts";
import { simulatedModel } from "../machine/model.ts";
import { decodeNative } from "./native.ts";
import { createRequest, pullRequest, pushRequest } from "./native-requests.ts";
import { pause } from "../machine/pause.ts";
import { givenName, sendProgress } from "./progress.ts";
import { fullName, parsePlainName } from "./plain-name.ts";
import { Refusal } from "../refusal.ts";

// Ollama reports a download about this often; here each is one record.
const PULL_STEPS = 4;
const MODELS_FOLDER = "/usr/share/ollama/.ollama/models";
const INVALID_NAME = "invalid model name";

export async function handlePull(host: Host, exchange: Exchange): Promise<void> {
  const request = decodeNative(exchange, pullRequest);
  if (request === undefined) return;
  const name = parseModelName(givenName(request));
  if (!name.ok) {
    const text = name.error.code === "conflicting_source" ? name.error.message : INVALID_NAME;
    return sendError(exchange, 400, text);
  }
  const records = pull(host, name.value, exchange.signal);
  await sendProgress(exchange, request.stream ?? true, records);
}

/** What a pull reports, from `pulling manifest` to `success`. */
async function* pull(host: Host, name: ModelName, signal: AbortSignal): AsyncGenerator<ProgressRecord> {
  yield { status: "pulling manifest" };
  const model = findInRegistry(host, name);
  if (model === undefined) throw new Refusal(500, "pull model manifest: file does not exist");
  for (const layer of layersOf(model)) {
    const { digest, total } = layer;
    const status = `pulling ${digest.slice("sha256:".length, "sha256:".length + 12)}`;
    for (let step = 0; step <= PULL_STEPS; step++) {
      const completed = Math.floor((total * step) / PULL_STEPS);
      if (step > 0) await pause((total / PULL_STEPS / host.pullBytesPerSecond) * 1000, signal);
      yield { status, digest, total, ...(completed === 0 ? {} : { completed }) };
    }
  }
  yield { status: "verifying sha256 digest" };
  yield { status: "writing manifest" };
  host.store.add({ ...model, modifiedAt: Date.now() });
  yield { status: "success" };
}

function findInRegistry(host: Host, name: ModelName): SimulatedModel | undefined {
  return host.registry.find((model) => {
    const parsed = parseModelName(model.name);
    return parsed.ok && parsed.value.canonical === name.canonical;
  });
}

/** The layers of a model: its weights and its configuration. */
function layersOf(model: SimulatedModel): { digest: string; total: number }[] {
  const digestOf = (layer: string): string =>
    `sha256:${createHash("sha256").update(`${model.digest} ${layer}`).digest("hex")}`;
  return [
    { digest: digestOf("weights"), total: model.sizeBytes },
    { digest: digestOf("config"), total: 487 },
  ];
}

export async function handlePush(host: Host, exchange: Exchange): Promise<void> {
  const request = decodeNative(exchange, pushRequest);
  if (request === undefined) return;
  const spelled = givenName(request);
  if (spelled === "") return sendError(exchange, 400, "model is required");
  await sendProgress(exchange, request.stream ?? true, push(host, spelled));
}

// eslint-disable-next-line require-await -- a generator like its siblings
async function* push(host: Host, spelled: string): AsyncGenerator<ProgressRecord> {
  const name = parsePlainName(spelled);
  yield { status: "retrieving manifest" };
  const model = host.store.findPlain(name);
  if (model === undefined) {
    yield { status: "couldn't retrieve manifest" };
    if (!name.valid) throw new Refusal(500, `unqualified name: ${fullName(name)}`);
    const path = `${MODELS_FOLDER}/manifests/${name.host}/${name.namespace}/${name.model}/${name.tag}`;
    throw new Refusal(500, `open ${path}: no such file or directory`);
  }
  if (model.parsed.namespace === "library") {
    throw new Refusal(
      500,
      "you are not authorized to push to this namespace, create the model under a namespace you own",
    );
  }
  for (const { digest, total } of layersOf(model)) {
    yield { status: `pushing ${digest.slice(7, 19)}`, digest, total, completed: total };
  }
  yield { status: "pushing manifest" };
  yield { status: "success" };
}

type CreateRequest = NonNullable<ReturnType<typeof decodeNative<ReturnType<typeof createRequest.zero>>>>;

export async function handleCreate(host: Host, exchange: Exchange): Promise<void> {
  const request = decodeNative(exchange, createRequest);
  if (request === undefined) return;
  const paths = Object.entries(request.files ?? {});
  if (paths.some(([path]) => path.startsWith("/") || path.split("/").includes(".."))) {
    return sendError(exchange, 400, "file path must be relative");
  }
  if ([...paths, ...Object.entries(request.adapters ?? {})].some(([, digest]) => digest === "")) {
    return sendError(exchange, 400, "invalid digest format");
  }
  const name = parsePlainName(givenName(request));
  if (!name.valid) return sendError(exchange, 400, INVALID_NAME);
  await sendProgress(exchange, request.stream ?? true, create(host, name, request, exchange.signal));
}

async function* create(
  host: Host,
  name: PlainName,
  request: CreateRequest,
  signal: AbortSignal,
): AsyncGenerator<ProgressRecord> {
  const base = yield* baseModel(host, request, signal);
  for (const { digest } of layersOf(base)) yield { status: `using existing layer ${digest}` };
  yield { status: "writing manifest" };
  const settings = JSON.stringify([request.system, request.template, request.parameters]);
  const changed = settings !== JSON.stringify(["", "", null]);
  const digest = changed
    ? createHash("sha256")
        .update(base.digest + settings)
        .digest("hex")
    : base.digest;
  const system = request.system || base.system;
  const template = request.template || base.template;
  host.store.addAs({ ...base, digest, modifiedAt: Date.now(), system, template }, name);
  yield { status: "success" };
}

async function* baseModel(
  host: Host,
  request: CreateRequest,
  signal: AbortSignal,
): AsyncGenerator<ProgressRecord, SimulatedModel> {
  if (request.from !== "") {
    const from = parseModelName(request.from);
    if (!from.ok) throw new Refusal(400, INVALID_NAME);
    if (host.store.find(from.value) === undefined) yield* pull(host, from.value, signal);
    const found = host.store.find(from.value);
    if (found === undefined) throw new Refusal(500, "pull model manifest: file does not exist");
    return found;
  }
  if (request.files === null) throw new Refusal(400, "neither 'from' or 'files' was specified");
  const files = Object.values(request.files);
  if (!Object.keys(request.files).some((path) => path.endsWith(".gguf"))) throw new Refusal(400, "unknown type");
  yield { status: "parsing GGUF" };
  const missing = files.find((digest) => !host.store.blobs.has(digest.replace("-", ":")));
  if (missing !== undefined) {
    throw new Refusal(500, `open ${MODELS_FOLDER}/blobs/${missing.replace(":", "-")}: no such file or directory`);
  }
  return simulatedModel({ name: "created", digest: createHash("sha256").update(files.join()).digest("hex") });
}
