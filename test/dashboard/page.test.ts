// The operator's page as a deployment bundles it, minified and with names kept: its text must still run by itself.
import { fileURLToPath } from "node:url";
import { runInNewContext } from "node:vm";
import { build } from "esbuild";
import { expect, it } from "vitest";
import { dashboardPage } from "../../src/dashboard/page.ts";

const ENTRY = fileURLToPath(new URL("../../src/dashboard/page.ts", import.meta.url));

/** As much of an element as the page needs, with its text. */
class FakeElement {
  children: (FakeElement | string)[] = [];
  hidden = false;
  textContent = "";
  className = "";
  append(...children: (FakeElement | string)[]): void {
    this.children.push(...children);
  }
  replaceChildren(...children: (FakeElement | string)[]): void {
    this.children = children;
  }
  set innerHTML(_markup: string) {
    throw new Error("text was taken for markup");
  }
  set outerHTML(_markup: string) {
    throw new Error("text was taken for markup");
  }
  insertAdjacentHTML(): void {
    throw new Error("text was taken for markup");
  }
  setAttribute(): void {
    throw new Error("an attribute was made of text");
  }
  addEventListener(): void {}
  focus(): void {}
  text(): string {
    return (
      this.textContent + this.children.map((child) => (typeof child === "string" ? child : child.text())).join(" ")
    );
  }
}

const fleet = {
  hosts: [
    {
      id: "<b>evil</b>",
      cell: "cell:default:any",
      region: "any",
      status: "alive",
      drained: false,
      backend: "up",
      ollamaVersion: "0.33.0",
      slots: 2,
      activeLeases: 1,
      lastHeartbeatAgoMs: 300,
      models: [{ name: "llama3.2:latest" }],
      running: [{ name: "llama3.2:latest" }],
    },
  ],
  cells: [{ name: "cell:default:any", region: "any", reachable: true, queued: 1, activeLeases: 1 }],
  queued: 1,
  queue: [{ requestId: "r", model: "registry.ollama.ai/library/llama3.2:latest", waitedMs: 1_500 }],
  activeLeases: 1,
  policy: "predicted_latency",
  recent: [
    { requestId: "q", cameAt: 0, tenant: "acme", hostId: "h", queuedMs: 5, attempts: 2, outcome: "host-failed" },
  ],
};

/** Runs a page's script and gives its elements by id once the fleet is drawn. */
async function run(html: string): Promise<Map<string, FakeElement>> {
  const script = /<script nonce="n">([\s\S]*)<\/script>/.exec(html)?.[1] ?? "";
  const elements = new Map<string, FakeElement>();
  const element = (id: string): FakeElement => {
    const known = elements.get(id) ?? new FakeElement();
    elements.set(id, known);
    return known;
  };
  const asked: string[] = [];
  runInNewContext(script, {
    document: { hidden: false, getElementById: element, createElement: () => new FakeElement() },
    sessionStorage: { getItem: () => "token", setItem: () => undefined, removeItem: () => undefined },
    fetch: async (url: string, { headers }: { headers: Record<string, string> }) => {
      asked.push(`${url} ${headers["authorization"] ?? ""}`);
      return await Promise.resolve({ ok: true, status: 200, json: async () => await Promise.resolve(fleet) });
    },
    setInterval: () => 0,
    HTMLInputElement: FakeElement,
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(asked).toEqual(["/hive/v1/fleet Bearer token"]);
  return elements;
}

function expectDrawn(elements: Map<string, FakeElement>): void {
  const textOf = (id: string): string => elements.get(id)?.text() ?? "";
  expect(textOf("totals")).toMatch(/1 {2}\/ 1 hosts alive/);
  expect(textOf("cells")).toContain("<b>evil</b>");
  expect(textOf("models")).toContain("llama3.2");
  expect(textOf("queue")).toContain("1.5 s");
  expect(textOf("recent")).toMatch(/acme .*h \(attempt 2\).*host-failed/);
  expect(textOf("state")).toMatch(/^predicted_latency/);
}

it("runs by itself and draws the fleet, what hosts and clients call themselves as text [T26]", async () => {
  expectDrawn(await run(dashboardPage("n")));
});

it("runs the same when bundled for deployment", async () => {
  const options = { bundle: true, format: "esm", minify: true, keepNames: true, write: false } as const;
  const bundled = await build({ entryPoints: [ENTRY], ...options });
  const url = `data:text/javascript;base64,${Buffer.from(bundled.outputFiles[0]?.contents ?? []).toString("base64")}`;
  const module = (await import(url)) as { dashboardPage(nonce: string): string };
  expectDrawn(await run(module.dashboardPage("n")));
});

it("closes no tag early, whatever its own script says", () => {
  const html = dashboardPage("n");
  expect(html.match(/<\/script>/g)).toHaveLength(1);
  expect(html.match(/<\/style>/g)).toHaveLength(1);
});
