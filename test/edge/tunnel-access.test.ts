// An Access policy before the tunnels: who gets its service token, who never does, and what a host behind it needs.
import { afterEach, expect, it, vi } from "vitest";
import { sha256Base64Url } from "../../src/auth/digest.ts";
import { signHostToken } from "../../src/auth/host-token.ts";
import type { HostKeys } from "../../src/auth/host-token.ts";
import type { FleetView } from "../../src/wire/fleet-view.ts";
import { LEG_CONTENT_TYPE } from "../../src/wire/leg.ts";
import { ISSUER, makeHostKeys, startEdge } from "./edge.ts";
import type { TestEdge } from "./edge.ts";

const ID = "canary-id.access";
const SECRET = "canary:secret";
const CERTS = "https://team.cloudflareaccess.com/cdn-cgi/access/certs";
const RUN = "run-00000001";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

interface Sent {
  readonly url: URL;
  readonly headers: Headers;
}

/** Stands in for the network: https tunnels behind the wall, local hosts without one, an issuer's keys. */
function standIn(keys: HostKeys, secret = SECRET): { sent: Sent[]; walledOff: () => number } {
  const sent: Sent[] = [];
  let walledOff = 0;
  vi.stubGlobal("fetch", async (input: string, init: RequestInit = {}) => {
    const request = { url: new URL(input), headers: new Headers(init.headers) };
    sent.push(request);
    if (input === CERTS) return Response.json({ keys: [] });
    const { headers, url } = request;
    const isIn = headers.get("cf-access-client-id") === ID && headers.get("cf-access-client-secret") === secret;
    if (url.protocol === "https:" && !isIn) {
      expect(init.redirect).toBe("manual");
      walledOff += 1;
      return new Response(null, { status: 302, headers: { location: "https://login.example/" } });
    }
    return await answerAsAgent(keys, url, new Uint8Array(await new Response(init.body).arrayBuffer()));
  });
  return { sent, walledOff: () => walledOff };
}

async function answerAsAgent(keys: HostKeys, url: URL, body: Uint8Array): Promise<Response> {
  if (url.pathname !== "/hive/v1/challenge") {
    const head = '{"status":200,"headers":{"content-type":"application/json"}}';
    const answer = '{"model":"m","message":{"role":"assistant","content":"hi"},"done":true}';
    return new Response(`${head}\n${answer}`, { headers: { "content-type": LEG_CONTENT_TYPE } });
  }
  const hostId = url.hostname.split(".")[0] ?? "";
  const nonce = new Uint8Array([...new TextEncoder().encode("hive challenge "), ...body]);
  const bodySha256 = await sha256Base64Url(nonce);
  const proof = await signHostToken(keys, { ...claimsOf(hostId, 0), bodySha256 });
  const text = JSON.stringify({ proof });
  return new Response(text, { headers: { "content-length": String(text.length) } });
}

const claimsOf = (hostId: string, sequence: number) => ({
  hostId,
  runId: RUN,
  sequence,
  issuer: ISSUER,
  now: Date.now(),
});

/** Registers a host and lets it beat until the edge has had the time to prove it, or has failed to. */
async function addHost(edge: TestEdge, keys: HostKeys, hostId: string, url: string): Promise<void> {
  const { signingKey, agreementKey } = keys;
  const registration = { id: hostId, url, pool: "default", region: "any", signingKey, agreementKey };
  const edgeKey = edge.keys.leg.publicJwk.x;
  const guarded = url.startsWith("https");
  await edge.cell().joinHost({ ...registration, registeredAt: 1, drained: false, guarded, edgeKey }, hostId);
  let memory = "";
  for (let sequence = 1; sequence <= 3; sequence += 1) {
    const body = JSON.stringify(beatOf(hostId, sequence, memory));
    const bodySha256 = await sha256Base64Url(new TextEncoder().encode(body));
    const token = await signHostToken(keys, { ...claimsOf(hostId, sequence), bodySha256 });
    const answer = await edge.call(`/hive/v1/hosts/${hostId}/heartbeat`, { method: "POST", token, body });
    ({ memory } = await answer.json<{ memory: string }>());
  }
}

function beatOf(hostId: string, sequence: number, memory: string): object {
  const model = { name: `${hostId}:latest`, digest: hostId.padEnd(64, "0"), sizeBytes: 1, modifiedAt: "" };
  const running = { name: model.name, digest: model.digest, contextLength: 4_096, sizeBytes: 1, sizeVramBytes: 1 };
  return {
    runId: RUN,
    ...(memory === "" ? {} : { memory }),
    sequence,
    agentVersion: "1",
    ollamaVersion: "0.33.0",
    backend: "up",
    models: [{ ...model, capabilities: ["completion"] }],
    running: [{ ...running, expiresAt: "2099-01-01T00:00:00Z" }],
    slots: 4,
    parallel: 4,
    active: [],
    finished: [],
  };
}

async function chat(edge: TestEdge, model: string): Promise<Response> {
  const body = JSON.stringify({ model, messages: [{ role: "user", content: "hi" }], stream: false });
  const headers = { "hive-deadline-ms": "1000" };
  return await edge.call("/api/chat", { method: "POST", token: await edge.client(), body, headers });
}

const isUnproven = async (edge: TestEdge, id: string) => {
  const { hosts } = await (await edge.call("/hive/v1/fleet", { token: await edge.admin() })).json<FleetView>();
  return hosts.find((host) => host.id === id)?.unproven;
};

it("a host behind the wall is reached with the service token, which nobody else ever gets [T1 T9 T27]", async () => {
  const written: string[] = [];
  for (const method of ["log", "info", "warn", "error", "debug"] as const)
    vi.spyOn(console, method).mockImplementation((...words: unknown[]) => void written.push(words.join(" ")));
  const keys = await makeHostKeys();
  const { sent, walledOff } = standIn(keys);
  const issuer = { issuer: "https://team.cloudflareaccess.com", audience: "tag", jwks: CERTS, tenant: "email" };
  const edge = await startEdge({
    TUNNEL_ACCESS: `${ID}:${SECRET}`,
    ALLOW_LOCAL_HOSTS: "true",
    TRUSTED_ISSUERS: JSON.stringify([issuer]),
  });
  await addHost(edge, keys, "walled", "https://walled.hosts.example.com");
  await addHost(edge, keys, "plain", "http://127.0.0.1:11500");
  expect(await isUnproven(edge, "walled")).toBe(false);
  const assertion = `${btoa('{"alg":"RS256","kid":"k"}')}.${btoa(`{"iss":"${issuer.issuer}"}`)}.AAAA`.replaceAll(
    "=",
    "",
  );
  await edge.call("/api/tags", { token: assertion });
  const answers = [
    await chat(edge, "walled"),
    await chat(edge, "plain"),
    await chat(edge, "nowhere"),
    await edge.call("/hive/v1/fleet", { token: await edge.admin() }),
    await edge.call("/hive/metrics", { token: await edge.admin() }),
  ];
  expect(answers.slice(0, 2).map(({ status }) => status)).toEqual([200, 200]);
  const told = await Promise.all(answers.map(async (each) => [...each.headers].join() + (await each.text())));
  for (const text of [...told, ...written]) expect(text).not.toMatch(/canary/);

  const given = sent.filter(({ headers }) =>
    [...headers].some(([name, value]) => /cf-access|canary/.test(name + value)),
  );
  expect([...new Set(given.map(({ url }) => url.origin))]).toEqual(["https://walled.hosts.example.com"]);
  expect([...new Set(sent.map(({ url }) => url.origin))].toSorted()).toEqual([
    "http://127.0.0.1:11500",
    "https://team.cloudflareaccess.com",
    "https://walled.hosts.example.com",
  ]);
  expect(walledOff()).toBe(0);
});

it.each([
  ["without it", {}],
  ["with another's", { TUNNEL_ACCESS: `${ID}:other` }],
])("behind the wall no host is reached %s: it stays unproven, and no prompt is sent [T1 T7]", async (_, vars) => {
  const keys = await makeHostKeys();
  const { sent, walledOff } = standIn(keys);
  const edge = await startEdge(vars);
  const id = `shut-${String(Object.keys(vars).length)}`;
  await addHost(edge, keys, id, `https://${id}.hosts.example.com`);
  expect(await isUnproven(edge, id)).toBe(true);
  expect((await chat(edge, id)).status).toBeGreaterThanOrEqual(500);
  expect(walledOff()).toBeGreaterThan(0);
  expect([...new Set(sent.map(({ url }) => url.pathname))]).toEqual(["/hive/v1/challenge"]);
});

it.each(["id-alone", ":secret", "id:", "id:two words", "id:line\nend", "CF-Access-Client-Id: canary"])(
  "a TUNNEL_ACCESS of %j is refused: the log names the variable and not its value, the caller learns neither [T27 T29]",
  async (bad) => {
    const errors = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const edge = await startEdge({ TUNNEL_ACCESS: bad });
    const answer = await edge.call("/api/tags", { token: await edge.client() });
    expect([answer.status, await answer.json()]).toEqual([500, { error: "hive: misconfigured, see the log" }]);
    const logged = errors.mock.calls.map((words) => words.join(" ")).join("\n");
    expect(logged).toContain("TUNNEL_ACCESS: expected CLIENT_ID:CLIENT_SECRET");
    expect(logged).not.toContain(bad);
  },
);
