// What comes from others: few packages, pinned, from the one registry, with their hashes, and hardly any that run scripts.
import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import * as z from "zod";

const read = async (name: string): Promise<unknown> =>
  JSON.parse(await readFile(new URL(`../../${name}`, import.meta.url), "utf8")) as unknown;

const manifest = z
  .object({
    dependencies: z.record(z.string(), z.string()),
    devDependencies: z.record(z.string(), z.string()),
    allowScripts: z.record(z.string(), z.boolean()),
    scripts: z.record(z.string(), z.string()),
  })
  .parse(await read("package.json"));
const lock = z
  .object({
    lockfileVersion: z.literal(3),
    packages: z.record(
      z.string(),
      z.looseObject({
        version: z.string().optional(),
        resolved: z.string().optional(),
        integrity: z.string().optional(),
        hasInstallScript: z.boolean().optional(),
        link: z.boolean().optional(),
        dev: z.boolean().optional(),
        optional: z.boolean().optional(),
        devOptional: z.boolean().optional(),
      }),
    ),
  })
  .parse(await read("package-lock.json"));
const packages = Object.entries(lock.packages).filter(([path]) => path !== "");

describe("the supply chain [T28]", () => {
  it("has four direct dependencies at run time, all pinned: hono, jose and zod in the edge, commander in the command line", () => {
    expect(Object.keys(manifest.dependencies).toSorted()).toEqual(["commander", "hono", "jose", "zod"]);
    for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }))
      expect([name, /^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)]).toEqual([name, true]);
  });

  it("brings nothing else at run time, for those have no dependencies of their own", () => {
    const atRunTime = packages.filter(([, entry]) => ![entry.dev, entry.devOptional, entry.optional].includes(true));
    expect(atRunTime.map(([path]) => path).toSorted()).toEqual(
      ["commander", "hono", "jose", "zod"].map((name) => `node_modules/${name}`),
    );
  });

  it("locks every package to one version and its SHA-512, from no address but the npm registry", () => {
    expect(packages.length).toBeGreaterThan(50);
    for (const [path, { version, resolved, integrity, link }] of packages) {
      expect(link, path).toBeUndefined();
      expect(version, path).toMatch(/^\d/);
      // Without an address npm takes it from the registry it is told to use; the hash says what must come.
      if (resolved !== undefined) expect(resolved, path).toMatch(/^https:\/\/registry\.npmjs\.org\//);
      expect(integrity, path).toMatch(/^sha512-[A-Za-z0-9+/]{86}==$/);
    }
  });

  it("lets only those packages run scripts at their installation that are named, none of them at run time", () => {
    const names = packages
      .filter(([, entry]) => entry.hasInstallScript === true)
      .map(([path]) => path.split("node_modules/").at(-1));
    const allowed = Object.keys(manifest.allowScripts);
    for (const [path, entry] of packages) {
      const name = path.split("node_modules/").at(-1) ?? "";
      if (entry.hasInstallScript === true && entry.optional !== true) expect(allowed).toContain(name);
    }
    expect(names.length).toBeGreaterThan(0);
    expect(allowed.filter((name) => name in manifest.dependencies)).toEqual([]);
  });

  it("runs nothing of its own when it is installed", () => {
    const hooks = ["preinstall", "install", "postinstall", "prepare", "prepublish", "preprepare", "postprepare"];
    expect(Object.keys(manifest.scripts).filter((name) => hooks.includes(name))).toEqual([]);
  });
});

describe("imports [T28]", () => {
  it.each([
    ["edge", ["hono", "jose", "zod", "cloudflare:workers"]],
    ["cell", ["zod", "cloudflare:workers"]],
    ["core", []],
    ["auth", ["jose", "zod"]],
    ["wire", ["zod"]],
    ["agent", ["jose", "zod"]],
    ["cli", ["commander", "jose", "zod"]],
  ])("of %s are from %j, Node and Hive itself", async (room, allowed) => {
    const { readdir } = await import("node:fs/promises");
    const folder = new URL(`../../src/${room}/`, import.meta.url).pathname;
    const files = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".ts"));
    expect(files.length).toBeGreaterThan(2);
    for (const file of files) {
      const text = await readFile(`${folder}/${file}`, "utf8");
      const modules = [...text.matchAll(/^(?:import|export)\b[^"]*?\bfrom "([^"]+)";|\bimport\("([^"]+)"\)/gm)].map(
        ([, named, dynamic]) => named ?? dynamic ?? "",
      );
      const foreign = modules.filter((name) => !name.startsWith(".") && !name.startsWith("node:"));
      const packagesOf = foreign.map((name) => (name.startsWith("@") ? name : (name.split("/")[0] ?? "")));
      expect(
        packagesOf.filter((name) => !allowed.includes(name)),
        file,
      ).toEqual([]);
    }
  });
});
