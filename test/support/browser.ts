// A real Chromium without a window, spoken to over its DevTools protocol; undefined where the machine has none.
import { spawn } from "node:child_process";
import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export interface Page {
  /** Runs an expression in the page and gives its value. */
  evaluate(expression: string): Promise<unknown>;
  /** The URLs that the page has asked for. */
  readonly requested: readonly string[];
  /** What the page's console and its security policy complained of. */
  readonly complaints: readonly string[];
  screenshot(width: number, height: number): Promise<Buffer>;
  close(): Promise<void>;
}

/** The browser's program on this machine, if any. */
export async function findChromium(): Promise<string | undefined> {
  const named = process.env["CHROMIUM"];
  for (const place of named === undefined ? PLACES : [named]) {
    const isThere = await access(place).then(
      () => true,
      () => false,
    );
    if (isThere) return place;
  }
  return undefined;
}

/** Opens a page; `dark` asks for the colours of the night. */
export async function openPage(program: string, url: string, dark = false): Promise<Page> {
  const profile = await mkdtemp(join(tmpdir(), "hive-chromium-"));
  const child = spawn(
    program,
    [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--remote-debugging-port=0",
      `--user-data-dir=${profile}`,
      "about:blank",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const endpoint = await new Promise<string>((resolve, reject) => {
    let text = "";
    child.stderr.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      const found = /DevTools listening on (ws:\S+)/.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once("exit", (code) => reject(new Error(`chromium ended with ${code}:\n${text}`)));
  });
  const requested: string[] = [];
  const complaints: string[] = [];
  const connection = await connect(endpoint, (method, params) => {
    if (method === "Network.requestWillBeSent") requested.push((params as { request: { url: string } }).request.url);
    if (method === "Log.entryAdded") complaints.push((params as { entry: { text: string } }).entry.text);
    if (method === "Runtime.exceptionThrown") complaints.push(JSON.stringify(params));
  });
  const { targetId } = (await connection.call("Target.createTarget", { url: "about:blank" })) as { targetId: string };
  const attached = await connection.call("Target.attachToTarget", { targetId, flatten: true });
  const { sessionId } = attached as { sessionId: string };
  const call = async (method: string, params: object = {}) => await connection.call(method, params, sessionId);
  for (const domain of ["Page", "Runtime", "Network", "Log"]) await call(`${domain}.enable`);
  const features = [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }];
  await call("Emulation.setEmulatedMedia", { features });
  await call("Page.navigate", { url });
  return {
    evaluate: async (expression) => {
      const result = await call("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
      return (result as { result: { value?: unknown } }).result.value;
    },
    requested,
    complaints,
    screenshot: async (width, height) => {
      await call("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false });
      const { data } = (await call("Page.captureScreenshot", { format: "png" })) as { data: string };
      return Buffer.from(data, "base64");
    },
    close: async () => {
      connection.close();
      child.kill("SIGKILL");
      await exited;
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

interface Connection {
  call(method: string, params: object, sessionId?: string): Promise<unknown>;
  close(): void;
}

async function connect(endpoint: string, heard: (method: string, params: unknown) => void): Promise<Connection> {
  const socket = new WebSocket(endpoint);
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener("open", () => resolve());
    socket.addEventListener("error", () => reject(new Error("chromium does not answer")));
  });
  const pending = new Map<number, { resolve: (value: unknown) => void; reject: (cause: Error) => void }>();
  let calls = 0;
  socket.addEventListener("message", ({ data }) => {
    const message = JSON.parse(String(data)) as {
      id?: number;
      result?: unknown;
      error?: { message: string };
      method?: string;
      params?: unknown;
    };
    if (message.method !== undefined) heard(message.method, message.params);
    const waiting = pending.get(message.id ?? -1);
    if (waiting === undefined) return;
    pending.delete(message.id ?? -1);
    if (message.error === undefined) waiting.resolve(message.result);
    else waiting.reject(new Error(message.error.message));
  });
  return {
    call: async (method, params, sessionId) =>
      await new Promise((resolve, reject) => {
        calls += 1;
        pending.set(calls, { resolve, reject });
        socket.send(JSON.stringify({ id: calls, method, params, ...(sessionId === undefined ? {} : { sessionId }) }));
      }),
    close: () => socket.close(),
  };
}
