// A Worker that loads its own cell over the object's RPC, as the edge does, without HTTP, tokens and hosts around it.
import type { CellRpc } from "../../../src/wire/cell-rpc.ts";
import type { Heartbeat } from "../../../src/wire/heartbeat.ts";
import type { LeaseRequest } from "../../../src/wire/lease.ts";
import type { CellLoad } from "../cell-load.ts";

export { Cell } from "../../../src/cell/cell.ts";
export { Directory } from "../../../src/cell/directory.ts";

interface Env {
  readonly CELL: DurableObjectNamespace;
}

/** Blocks of 1 KiB of a conversation of 16 KiB, as the edge hashes prompts. */
const PREFIX = Array.from({ length: 16 }, (_, block) => 4_503_599_627_370_000 + block);

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const load = await request.json<CellLoad>();
    const cell = env.CELL.getByName(load.cell) as DurableObjectStub & CellRpc;
    switch (load.type) {
      case "hosts":
        await joinHosts(cell, load);
        break;
      case "heartbeats":
        await inParallel(load.clients, load.count, async (index) => {
          const verdict = await cell.recordHeartbeat(
            `host-${index % load.hosts}`,
            heartbeat(load, index % load.hosts, load.from + index),
          );
          if (!verdict.ok) throw new Error(`a heartbeat was refused: ${verdict.code}`);
        });
        break;
      case "pairs":
        await inParallel(load.clients, load.count, async (index) => {
          const answer = await cell.acquireLease(leaseRequest(index % load.models));
          if (!answer.ok) throw new Error(`a lease was refused: ${answer.refusal.code}`);
          await cell.settleLease(answer.grant.leaseId, { type: "served" });
        });
        break;
      case "wait": {
        const answers = Array.from({ length: load.count }, async (_, index) =>
          cell.acquireLease(leaseRequest(index % load.models)),
        );
        await Promise.all(answers);
        break;
      }
      case "look":
        return Response.json(await cell.readFleet());
    }
    return Response.json({ done: true });
  },
};

async function joinHosts(cell: CellRpc, load: Extract<CellLoad, { type: "hosts" }>): Promise<void> {
  const key = (crv: "Ed25519" | "X25519") => ({ kty: "OKP", crv, x: "A".repeat(43) }) as const;
  for (let index = 0; index < load.hosts; index += 1) {
    const id = `host-${index}`;
    const registration = {
      id,
      url: `https://${id}.hosts.example.com`,
      pool: "default",
      region: "any",
      signingKey: key("Ed25519"),
      agreementKey: key("X25519"),
      registeredAt: 1,
      drained: false,
    };
    const joined = await cell.joinHost(registration, `${load.cell}-${id}`);
    if (!joined.ok) throw new Error(`a host cannot join: ${joined.code}`);
    await cell.recordHeartbeat(id, heartbeat(load, index, 0));
  }
}

/** A host with so many models of the size `/api/tags` reports them in, two of them loaded: not the same ones on all. */
function heartbeat(
  { models, slots }: { readonly models: number; readonly slots: number },
  host: number,
  sequence: number,
): Heartbeat {
  const names = Array.from({ length: models }, (_, index) => `model-${index}:8b-instruct-q4_K_M`);
  const details = {
    format: "gguf",
    family: "llama",
    families: ["llama"],
    parameter_size: "8B",
    quantization_level: "Q4",
  };
  const rows = names.map((name, index) => ({
    name,
    digest: `${index}`.padStart(64, "0"),
    sizeBytes: 5_000_000_000,
    details,
  }));
  return {
    runId: "run-00000001",
    sequence,
    agentVersion: "0.1.0",
    ollamaVersion: "0.33.0",
    backend: "up",
    models: rows.map((row) => ({
      ...row,
      modifiedAt: "2026-11-01T00:00:00Z",
      capabilities: ["completion", "tools"],
      contextLength: 131_072,
    })),
    running: [...rows, ...rows].slice((2 * host) % models, ((2 * host) % models) + 2).map((row) => ({
      ...row,
      contextLength: 8_192,
      sizeVramBytes: 5_000_000_000,
      expiresAt: "2026-12-01T00:00:00Z",
    })),
    slots,
    parallel: slots,
    active: [],
    finished: [],
  };
}

function leaseRequest(model: number): LeaseRequest {
  return {
    requestId: crypto.randomUUID(),
    principal: {
      tokenId: "token-1",
      tenant: `tenant-${model}`,
      priority: "normal",
      pool: "default",
      limits: { loads: 1_000_000 },
    },
    model: `registry.ollama.ai/library/model-${model}:8b-instruct-q4_k_m`,
    needs: [],
    kind: "chat",
    streaming: true,
    runner: "",
    promptBytes: 16_384,
    prefix: PREFIX,
    exclude: [],
    attempt: 1,
  };
}

async function inParallel(workers: number, count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const run = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      await work(next - 1);
    }
  };
  await Promise.all(Array.from({ length: workers }, run));
}
