// Cases about models: which host has which, how names are read, loading and unloading, and one host by its address.
import { Ollama } from "ollama";
import { expect } from "vitest";
import { eventually } from "../../support/fleet.ts";
import { anyHost, simulatedOnly } from "../case.ts";
import type { ConformanceCase } from "../case.ts";
import { expectSame, json, send } from "../exchange.ts";
import type { World } from "../world.ts";
import { DIGESTS } from "../world.ts";

const messages = [{ role: "user", content: "Why is the sky blue?" }];

function client(world: World, token: string, prefix = ""): Ollama {
  return new Ollama({ host: world.fleet.url + prefix, headers: { authorization: `Bearer ${token}` } });
}

async function namesOf(world: World, prefix = "", token = world.token): Promise<string[]> {
  return (await client(world, token, prefix).list()).models.map((model) => model.name);
}

const oneRow = simulatedOnly(
  18,
  "a name is one row, of the digest most hosts hold, and runs on its holders alone",
  async (world) => {
    const { models } = await client(world, world.token).list();
    const names = models.map((model) => model.name);
    expect(new Set(names).size).toBe(names.length);
    expect(models.find((model) => model.name === "split:latest")?.digest).toBe(DIGESTS.majority);
    for (let round = 0; round < 6; round += 1) {
      const answer = await world.send({ path: "/api/chat", body: json({ model: "split", messages, stream: false }) });
      expect(answer.status).toBe(200);
      await answer.text();
      expect(["b", "c"]).toContain(answer.headers.get("hive-host"));
    }
    expect(
      world.ollama("a").requests.some((request) => request.bodyText.includes('"split"') && request.url === "/api/chat"),
    ).toBe(false);
    const { conflicts } = await world.fleet.readFleet();
    expect(conflicts).toEqual([
      {
        name: "split:latest",
        served: DIGESTS.majority,
        copies: [
          { digest: DIGESTS.majority, hosts: ["b", "c"] },
          { digest: DIGESTS.minority, hosts: ["a"] },
        ],
      },
    ]);
  },
);

const spellings = anyHost(
  19,
  "every spelling of a name is the same model, and the answer keeps the caller's",
  async (world) => {
    const model = world.models.chat;
    const tagged = model.includes(":") ? model : `${model}:latest`;
    const spelled = [tagged.toUpperCase(), tagged, ` ${tagged} `];
    if (!model.includes("/")) spelled.push(`library/${tagged}`, `registry.ollama.ai/library/${tagged}`);
    for (const name of spelled) {
      const body = json({ model: name, messages, stream: false, options: { num_predict: 2, seed: 1, temperature: 0 } });
      const { status, records } = await expectSame(world, { path: "/api/chat", body });
      expect([status, (JSON.parse(records[0] ?? "") as { model: string }).model]).toEqual([200, name]);
      await expectSame(world, { path: "/api/show", body: json({ model: name }) });
    }
  },
);

const unload = simulatedOnly(20, "an unload reaches every host that has the model loaded", async (world) => {
  for (const id of ["a", "b", "c"]) {
    const answer = await world.send(
      { path: `/h/${id}/api/generate`, body: json({ model: "stoppable" }) },
      world.manageToken,
    );
    expect([answer.status, ((await answer.json()) as { done_reason: string }).done_reason]).toEqual([200, "load"]);
  }
  const running = async () => (await client(world, world.token).ps()).models.map((model) => model.name);
  expect(await running()).toContain("stoppable:latest");
  const body = json({ model: "stoppable", keep_alive: 0 });
  const answer = await expectSame(world, { path: "/api/generate", body });
  expect(answer.contentType).toBe("application/json; charset=utf-8");
  expect(answer.records[0]?.match(/"done_reason":"unload"/g)).toHaveLength(1);
  expect(await running()).not.toContain("stoppable:latest");
  for (const { ollama } of world.fleet.hosts)
    expect(ollama.requests.filter((request) => request.bodyText === body)).toHaveLength(1);
  const loads = () => world.fleet.hosts.map(({ ollama }) => ollama.gauges().loads);
  for (const keep_alive of ["0s", "0h0m", "+0.0s", "0ms"]) {
    await (await world.send({ path: "/api/generate", body: json({ model: "stoppable" }) })).text();
    expect(await running()).toContain("stoppable:latest");
    const before = loads();
    await expectSame(world, { path: "/api/chat", body: json({ model: "stoppable", messages: [], keep_alive }) });
    expect([keep_alive, await running()]).toEqual([keep_alive, expect.not.arrayContaining(["stoppable:latest"])]);
    // Told again, a host loads nothing to unload it.
    await expectSame(world, { path: "/api/chat", body: json({ model: "stoppable", messages: [], keep_alive }) });
    expect(loads()).toEqual(before);
  }
});

const load = anyHost(21, "an empty request loads, and answers with one object though it streams", async (world) => {
  for (const [path, body] of [
    ["/api/generate", { model: world.models.chat }],
    ["/api/generate", { model: world.models.chat, prompt: "", stream: true }],
    ["/api/chat", { model: world.models.chat, messages: [] }],
    ["/api/chat", { model: world.models.chat, stream: true }],
  ] as const) {
    const { contentType, records } = await expectSame(world, { path, body: json(body) });
    expect([contentType, records.length]).toEqual(["application/json; charset=utf-8", 1]);
    expect(records[0]).toContain('"done_reason":"load"');
  }
});

const lists = anyHost(22, "lists, versions and single models are as a host tells them", async (world) => {
  // Ollama's order inside one second is random, and Hive names what every host of the fleet has.
  const rows = async (base: string, path: string, key: "models" | "data") => {
    const answer = await (base === world.directUrl ? send(base, { path }) : world.send({ path }));
    const list = ((await answer.json()) as Record<string, { model?: string; id?: string; modified_at?: string }[]>)[
      key
    ];
    const named = new Map(list?.map(({ modified_at: _time, ...row }) => [row.model ?? row.id, row]));
    return { contentType: answer.headers.get("content-type"), named };
  };
  // A stub of a cloud model is on the host's disk, and not offered while cloud models are off.
  const onDisk = (await (await send(world.directUrl, { path: "/api/tags" })).json()) as {
    models: { name: string; remote_host?: string }[];
  };
  const left = new Set(["split:latest", ...onDisk.models.flatMap((row) => (row.remote_host ? [row.name] : []))]);
  for (const [path, key] of [
    ["/api/tags", "models"],
    ["/v1/models", "data"],
  ] as const) {
    const direct = await rows(world.directUrl, path, key);
    const through = await rows(world.fleet.url, path, key);
    expect(through.contentType).toBe(direct.contentType);
    for (const [name, row] of direct.named) if (!left.has(name ?? "")) expect(through.named.get(name)).toEqual(row);
  }
  const order = async () => (await client(world, world.token).list()).models;
  const first = await order();
  const time = (row: { modified_at: Date | string }) => new Date(row.modified_at).getTime();
  const sorted = first.toSorted((x, y) => time(y) - time(x) || (x.name < y.name ? -1 : 1));
  expect(first.map(({ name }) => name)).toEqual(sorted.map(({ name }) => name));
  expect(await order()).toEqual(first);
  await expectSame(world, { path: "/api/version" });
  for (const model of [world.models.chat, "nope", "a b"]) await expectSame(world, { path: `/v1/models/${model}` });
  for (const body of [
    { model: world.models.chat, verbose: true },
    { name: world.models.chat },
    { model: world.models.chat, system: "Be brief." },
  ])
    await expectSame(world, { path: "/api/show", body: json(body) });
});

const current = simulatedOnly(
  22,
  "what was just done is seen at once: ps after a chat, tags after pull, copy and delete",
  async (world) => {
    const ordinary = client(world, world.token);
    const manager = client(world, world.manageToken);
    await ordinary.chat({ model: "loadable", messages });
    expect((await ordinary.ps()).models.map((model) => model.name)).toContain("loadable:latest");
    expect(await namesOf(world)).not.toContain("pullable:latest");
    await manager.pull({ model: "pullable" });
    expect(await namesOf(world)).toContain("pullable:latest");
    await manager.copy({ source: "pullable", destination: "copied" });
    expect(await namesOf(world)).toContain("copied:latest");
    await manager.delete({ model: "copied" });
    await manager.delete({ model: "pullable" });
    const left = await namesOf(world);
    expect(left).not.toContain("copied:latest");
    expect(left).not.toContain("pullable:latest");
  },
);

const context = simulatedOnly(
  35,
  "a request goes where its context length is loaded, and mixed lengths reload nothing",
  async (world) => {
    const ask = async (num_ctx: number, prefix = "") => {
      const body = json({ model: "ctx", messages, stream: false, options: { num_ctx, num_predict: 2 } });
      const answer = await world.send(
        { path: `${prefix}/api/chat`, body },
        prefix === "" ? world.token : world.manageToken,
      );
      expect(answer.status).toBe(200);
      await answer.text();
      return answer.headers.get("hive-host");
    };
    await ask(4096, "/h/a");
    await ask(8192, "/h/b");
    await ask(4096, "/h/c");
    const lengths = async (id: string) =>
      (await world.fleet.host(id)).running
        .filter((model) => model.name === "ctx:latest")
        .map((model) => model.contextLength);
    await eventually(
      "the fleet knows what is loaded",
      async () => (await lengths("a"))[0] === 4096 && (await lengths("b"))[0] === 8192,
    );
    const loadsBefore = world.fleet.hosts.map(({ ollama }) => ollama.gauges().loads);
    for (let round = 0; round < 5; round += 1) {
      expect(await ask(8192)).toBe("b");
      expect(["a", "c"]).toContain(await ask(4096));
    }
    expect(world.fleet.hosts.map(({ ollama }) => ollama.gauges().loads)).toEqual(loadsBefore);
  },
);

const cloud = simulatedOnly(
  40,
  "cloud models are refused where they are off, and local and cloud at once is no name",
  async (world) => {
    for (const model of ["gpt-oss:120b-cloud", "x:cloud", "llama3.2:cloud"]) {
      const native = await world.send({ path: "/api/chat", body: json({ model, messages }) });
      expect([native.status, await native.json()], model).toEqual([403, { error: expect.stringContaining("cloud") }]);
      const openai = await world.send({ path: "/v1/chat/completions", body: json({ model, messages }) });
      expect(openai.status).toBe(403);
      await openai.text();
    }
    await expectSame(world, { path: "/api/chat", body: json({ model: "x:local:cloud", messages }) });
    for (const model of ["llama3.2:cloud", "x:120b-cloud"]) await expectSame(world, { path: `/v1/models/${model}` });
  },
);

const removal = simulatedOnly(
  41,
  "a delete reaches every host that has the model, and needs the scope",
  async (world) => {
    const manager = client(world, world.manageToken);
    const everyone = async (body: object, method: "POST" | "DELETE", path: string) =>
      await world.send({ method, path, body: json(body) }, world.manageToken);
    expect((await everyone({ source: "llama3.2", destination: "removable" }, "POST", "/api/copy")).status).toBe(200);
    const holders = () =>
      world.fleet.hosts.filter(({ ollama }) => ollama.models().some((model) => model.name.includes("removable")));
    expect(holders()).toHaveLength(3);
    const refused = await world.send({ method: "DELETE", path: "/api/delete", body: json({ model: "removable" }) });
    expect([refused.status, await refused.json()]).toEqual([403, { error: expect.any(String) }]);
    expect(holders()).toHaveLength(3);
    const removed = await everyone({ model: "removable" }, "DELETE", "/api/delete");
    expect([removed.status, await removed.text()]).toEqual([200, ""]);
    expect(holders()).toHaveLength(0);
    const headers = { authorization: `Bearer ${world.manageToken}` };
    await expectSame(world, { method: "DELETE", path: "/api/delete", body: json({ model: "removable" }), headers });
    await expect(manager.delete({ model: "removable" })).rejects.toThrow("model 'removable' not found");
  },
);

const oneHost = simulatedOnly(
  43,
  "a base URL with a host is that host alone, for lists and pulls too",
  async (world) => {
    const manager = world.manageToken;
    expect(await namesOf(world, "/h/c", manager)).toContain("lonely:latest");
    expect(await namesOf(world, "/h/a", manager)).not.toContain("lonely:latest");
    const lonely = await world.send({ path: "/h/a/api/chat", body: json({ model: "lonely", messages }) }, manager);
    expect([lonely.status, await lonely.json()]).toEqual([404, { error: "model 'lonely' not found" }]);
    await client(world, manager, "/h/b").pull({ model: "pullable" });
    expect(await namesOf(world, "/h/b", manager)).toContain("pullable:latest");
    expect(await namesOf(world, "/h/a", manager)).not.toContain("pullable:latest");
    const byHeader = new Ollama({
      host: world.fleet.url,
      headers: { authorization: `Bearer ${manager}`, "hive-host": "b" },
    });
    expect((await byHeader.list()).models.map((model) => model.name)).toContain("pullable:latest");
    await client(world, manager, "/h/b").delete({ model: "pullable" });
    for (const exchange of [
      { path: "/h/nobody/api/tags" },
      { path: "/h/No.Body/api/tags" },
      { path: "/h/nobody/api/chat", body: json({ model: "llama3.2", messages }) },
    ]) {
      const answer = await world.send(exchange, manager);
      expect([answer.status, await answer.json()], exchange.path).toEqual([404, { error: expect.any(String) }]);
    }
    expect((await world.send({ path: "/h/a/api/tags" })).status).toBe(403);
  },
);

export const modelCases: readonly ConformanceCase[] = [
  oneRow,
  spellings,
  unload,
  load,
  lists,
  current,
  context,
  cloud,
  removal,
  oneHost,
];
