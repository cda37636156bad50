// Every real client library, whole and streamed, with tools: the same through one host and through three as straight from Ollama.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { REAL_CLIENTS } from "../support/clients/all.ts";
import { refusalOf } from "../support/clients/client.ts";
import type { Access, RealClient } from "../support/clients/client.ts";
import { startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

const models = [
  simulatedModel({ name: "llama3.2" }),
  simulatedModel({ name: "embedder", capabilities: ["embedding"] }),
];
const CHAT = { model: "llama3.2", prompt: "Why is the sky blue?" };
const TOOLS = { model: "llama3.2", prompt: "Please call get_weather for me", tools: true };

describe.each([1, 3])("with %i host(s)", (count) => {
  let fleet: TestFleet;
  let direct: Access;
  let hive: Access;
  let keyed: Access;

  beforeAll(async () => {
    fleet = await startFleet({ LOAD_BALANCING_STRATEGY: "round_robin" });
    await Promise.all(
      ["a", "b", "c"].slice(0, count).map(async (id) => await fleet.addHost(id, { models, slots: 4 }, 4)),
    );
    direct = { url: fleet.hosts[0]?.ollama.url ?? "", token: "none" };
    hive = { url: fleet.url, token: fleet.token };
    keyed = { url: `${fleet.url}/k/${await fleet.clientToken({ url: true })}`, token: "ollama" };
  }, 60_000);
  afterAll(async () => await fleet.close());

  describe.each(REAL_CLIENTS.map((client) => [client.name, client] as const))("%s", (_name, client: RealClient) => {
    it("gets a whole answer", async () => {
      const expected = await client.whole(direct, CHAT);
      expect(expected.text.length).toBeGreaterThan(40);
      expect(await client.whole(hive, CHAT)).toEqual(expected);
    });

    it("gets a stream, piece by piece", async () => {
      const expected = await client.streamed(direct, CHAT);
      expect(expected.pieces).toBeGreaterThan(10);
      expect(await client.streamed(hive, CHAT)).toEqual(expected);
    });

    it("is served with the key in its base URL and a dummy in its header", async () => {
      expect((await client.whole(keyed, CHAT)).text).toBe((await client.whole(direct, CHAT)).text);
      expect((await client.streamed(keyed, CHAT)).text).toBe((await client.streamed(direct, CHAT)).text);
    });

    it.runIf(client.tools)("gets its tool called, whole and streamed", async () => {
      const called = [{ name: "get_weather", input: { city: "honey" } }];
      expect(await client.whole(direct, TOOLS)).toMatchObject({ calls: called });
      expect(await client.whole(hive, TOOLS)).toEqual(await client.whole(direct, TOOLS));
      expect(await client.streamed(hive, TOOLS)).toMatchObject({ calls: called });
      expect(await client.streamed(hive, TOOLS)).toEqual(await client.streamed(direct, TOOLS));
    });

    it.runIf(client.embed !== undefined)("gets the same vector", async () => {
      const expected = await client.embed?.(direct, "embedder", "one");
      expect(expected?.length).toBe(768);
      expect(await client.embed?.(hive, "embedder", "one")).toEqual(expected);
    });

    it.runIf(client.models !== undefined)("lists the models", async () => {
      expect((await client.models?.(hive))?.toSorted()).toEqual((await client.models?.(direct))?.toSorted());
    });

    it("is told that a model is unknown in Ollama's words", async () => {
      const asked = { ...CHAT, model: "nope" };
      expect(await refusalOf(client.whole(hive, asked))).toContain("model 'nope' not found");
      expect(await refusalOf(client.streamed(hive, asked))).toContain("model 'nope' not found");
    });

    it("is told that its token is not valid", async () => {
      const stranger = { url: fleet.url, token: "ollama" };
      expect(await refusalOf(client.whole(stranger, CHAT))).toContain("no valid token");
      expect(await refusalOf(client.streamed(stranger, CHAT))).toContain("no valid token");
    });
  });

  it("gave work to every host", () => {
    for (const host of fleet.hosts) expect(host.ollama.requests.some(({ url }) => url === "/api/chat")).toBe(true);
  });
});
