// The operator's page in a real Chromium: opened by anybody, filled with the token, fed by all cells, and nothing but itself.
import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { findChromium, openPage } from "../support/browser.ts";
import { eventually, startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

const chromium = await findChromium();
if (chromium === undefined) console.warn("skipped: the operator's page needs a Chromium (apt-get install chromium)");
const models = [simulatedModel({ name: "llama3.2" }), simulatedModel({ name: "slow", decodeTokensPerSecond: 5 })];
let fleet: TestFleet;

beforeAll(async () => {
  fleet = await startFleet({ CELLS: "default:weur, default:enam" });
  await fleet.addHost("lisbon", { models }, 2, { region: "weur" });
  await fleet.addHost("virginia", { models }, 2, { region: "enam" });
});
afterAll(async () => await fleet.close());

async function chat(region: string, model: string, tokens: number): Promise<Response> {
  return await fetch(`${fleet.url}/api/chat`, {
    method: "POST",
    headers: { authorization: `Bearer ${fleet.token}`, "hive-region": region },
    body: JSON.stringify({
      model,
      messages: [{ role: "user", content: "hi" }],
      stream: false,
      options: { num_predict: tokens },
    }),
  });
}

it("is a page of its own that runs and loads nothing else, and holds no data", async () => {
  const answer = await fetch(`${fleet.url}/hive/dashboard`);
  expect(answer.status).toBe(200);
  const policy = answer.headers.get("content-security-policy") ?? "";
  expect(policy).toMatch(
    /^default-src 'none'; script-src 'nonce-[\w-]{36}'; style-src 'nonce-[\w-]{36}'; connect-src 'self'/,
  );
  expect(policy).not.toMatch(/unsafe|https?:|\*/);
  const html = await answer.text();
  expect(html).not.toMatch(/src="http|href="http|lisbon/);
  const again = (await fetch(`${fleet.url}/hive/dashboard`)).headers.get("content-security-policy");
  expect(again).not.toBe(policy);
});

it.skipIf(chromium === undefined)(
  "shows the hosts of all cells, their models, the queue and decisions to an operator",
  async () => {
    await eventually(
      "both hosts serve",
      async () => (await chat("weur", "llama3.2", 3)).headers.get("hive-host") === "lisbon",
    );
    await eventually(
      "both hosts serve",
      async () => (await chat("enam", "llama3.2", 3)).headers.get("hive-host") === "virginia",
    );
    const page = await openPage(chromium ?? "", `${fleet.url}/hive/dashboard`);
    try {
      const shows = async (selector: string, text: string): Promise<boolean> => {
        const texts = `[...document.querySelectorAll(${JSON.stringify(selector)})].map((found) => found.textContent)`;
        return ((await page.evaluate(texts)) as string[]).some((found) => found.includes(text));
      };
      const enter = async (token: string) =>
        await page.evaluate(
          `document.getElementById("token").value = ${JSON.stringify(token)}; document.getElementById("entry").requestSubmit()`,
        );
      await eventually(
        "the page asks for a token",
        async () => (await page.evaluate(`document.getElementById("entry")?.hidden`)) === false,
      );
      await enter("not-a-token");
      await eventually("it says that the token is none", async () => await shows("#state", "does not open"));
      expect(await page.evaluate("sessionStorage.length")).toBe(0);
      await enter(fleet.adminToken);
      for (const name of ["lisbon", "virginia"])
        await eventually(`it shows ${name}`, async () => await shows(".host h3", name));
      for (const cell of ["default · weur", "default · enam"]) expect(await shows(".cell h2", cell)).toBe(true);
      expect(await shows("#models td", "slow")).toBe(true);
      expect(await shows("#recent td", "served")).toBe(true);
      expect(await page.evaluate("localStorage.length + document.cookie.length")).toBe(0);
      const busy = Array.from({ length: 5 }, async () => await chat("weur", "slow", 15));
      await eventually("it shows slots in use", async () => await shows(".slots em", "2 of 2"));
      await eventually("it shows who waits", async () => await shows("#queue td", "slow"));
      const shot = process.env["HIVE_SCREENSHOT"];
      if (shot !== undefined) await writeFile(shot, await page.screenshot(1280, 1000));
      expect((await Promise.all(busy)).every(({ status }) => status === 200)).toBe(true);
      expect(
        new Set(
          page.requested
            .map((url) => new URL(url))
            .filter(({ protocol }) => protocol !== "data:")
            .map(({ origin }) => origin),
        ),
      ).toEqual(new Set([fleet.url]));
      expect(page.complaints.filter((text) => !text.includes("401"))).toEqual([]);
    } finally {
      await page.close();
    }
  },
  120_000,
);
