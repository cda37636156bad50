// Go's way from JSON into typed values: folded keys, the last of them wins, the first type error is reported with Go's text.
import type { GoNode } from "./go-scan.ts";

/** What Go knows about one type: its name in error texts, its zero value, and how JSON becomes it. */
export type GoType<T> = {
  readonly name: string;
  readonly zero: () => T;
  // A method, so that types of all values fit one table of fields.
  read(node: GoNode, state: Decoding, previous: T): T;
};

type Values<F> = { -readonly [K in keyof F]: F[K] extends GoType<infer V> ? V : never };
type Fields = Readonly<Record<string, GoType<unknown>>>;

/** json.UnmarshalTypeError before the enclosing structs have added their names to it. */
export class GoTypeError extends Error {
  override name = "GoTypeError";
  readonly value: string;
  readonly type: string;
  readonly field: string;
  readonly struct: string;

  constructor(value: string, type: string, at: { readonly struct: string; readonly field: string }) {
    const where = at.struct === "" && at.field === "" ? "value" : `struct field ${at.struct}.${at.field}`;
    super(`json: cannot unmarshal ${value} into Go ${where} of type ${type}`);
    this.value = value;
    this.type = type;
    this.field = at.field;
    this.struct = at.struct;
  }
}

/** An error of a type's own UnmarshalJSON: ends the decoding at once, whatever was saved before. */
export class GoCustomError extends Error {
  override name = "GoCustomError";
}

/** One call of json.Unmarshal: where it is, and the first type error. */
class Decoding {
  struct = "";
  readonly path: string[] = [];
  saved: Error | undefined;

  mismatch(value: string, type: string): void {
    this.saved ??= this.inContext(value, type, "");
  }

  save(error: Error): void {
    this.saved ??= error;
  }

  inContext(value: string, type: string, field: string): GoTypeError {
    const path = field === "" ? this.path : [...this.path, field];
    return new GoTypeError(value, type, { struct: this.struct, field: path.join(".") });
  }
}

/** json.Unmarshal into a fresh value; throws the error that Go would return. */
export function decodeAs<T>(type: GoType<T>, node: GoNode): T {
  const state = new Decoding();
  let value: T;
  try {
    value = type.read(node, state, type.zero());
  } catch (error) {
    if (error instanceof GoTypeError && state.struct !== "")
      throw state.inContext(error.value, error.type, error.field);
    throw error;
  }
  if (state.saved !== undefined) throw state.saved;
  return value;
}

function scalar<T>(name: string, zero: T, accept: (node: GoNode, state: Decoding) => T | undefined): GoType<T> {
  return {
    name,
    zero: () => zero,
    read(node, state, previous) {
      if (node.kind === "null") return previous;
      const value = accept(node, state);
      if (value !== undefined) return value;
      if (state.saved === undefined) state.mismatch(node.kind, name);
      return previous;
    },
  };
}

export const goString = scalar("string", "", (node) => (node.kind === "string" ? node.value : undefined));
export const goBool = scalar("bool", false, (node) => (node.kind === "bool" ? node.value : undefined));

export const goInt = scalar("int", 0, (node, state) => {
  if (node.kind !== "number") return undefined;
  if (/^-?\d+$/.test(node.text) && BigInt(node.text) === BigInt.asIntN(64, BigInt(node.text))) return Number(node.text);
  state.mismatch(`number ${node.text}`, "int");
  return 0;
});

/** A float of the named Go type; float32 overflows earlier. */
function float(name: string, max: number): GoType<number> {
  return scalar(name, 0, (node, state) => {
    if (node.kind !== "number") return undefined;
    const value = Number(node.text);
    if (Math.abs(value) <= max) return value;
    state.mismatch(`number ${node.text}`, name);
    return 0;
  });
}

export const goFloat64 = float("float64", Number.MAX_VALUE);
export const goFloat32 = float("float32", 3.4028234663852886e38);

/** []byte: base64 text. The bytes are not needed here, their number is. */
export function goBytes(name: string): GoType<string | null> {
  return scalar<string | null>(name, null, (node, state) => {
    if (node.kind !== "string") return undefined;
    const wrong = illegalBase64At(node.value);
    if (wrong !== undefined) state.save(new GoCustomError(`illegal base64 data at input byte ${wrong}`));
    return node.value;
  });
}

/** Where base64.StdEncoding gives up; undefined when it does not. It skips line ends and wants padding. */
export function illegalBase64At(text: string): number | undefined {
  const plain = text.replaceAll(/[\r\n]/g, "");
  if (plain.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(plain)) return undefined;
  const bad = /[^A-Za-z0-9+/]/.exec(text);
  return bad === null ? text.length - (plain.length % 4) : bad.index;
}

/** interface{}: whatever the JSON says, numbers as float64. */
export const goAny: GoType<unknown> = {
  name: "interface {}",
  zero: () => null,
  read: (node, state) => toPlain(node, state),
};

function toPlain(node: GoNode, state: Decoding): unknown {
  if (node.kind === "null") return null;
  if (node.kind === "array") return node.items.map((item) => toPlain(item, state));
  if (node.kind === "object") {
    return Object.fromEntries(node.entries.map(([key, value]) => [key, toPlain(value, state)]));
  }
  if (node.kind !== "number") return node.value;
  if (!Number.isFinite(Number(node.text))) state.mismatch(`number ${node.text}`, "float64");
  return Number(node.text);
}

/** json.RawMessage: kept, not looked into. */
export const goRaw: GoType<GoNode | null> = { name: "json.RawMessage", zero: () => null, read: (node) => node };

/** A pointer: null is nil, and absent is nil too. */
export function goPointer<T>(type: GoType<T>): GoType<T | null> {
  return {
    name: type.name,
    zero: () => null,
    read: (node, state, previous) => (node.kind === "null" ? null : type.read(node, state, previous ?? type.zero())),
  };
}

export function goSlice<T>(element: GoType<T>, name = `[]${element.name}`): GoType<T[] | null> {
  return {
    name,
    zero: () => null,
    read(node, state, previous) {
      if (node.kind === "null") return null;
      if (node.kind === "array") return node.items.map((item) => element.read(item, state, element.zero()));
      state.mismatch(node.kind, name);
      return previous;
    },
  };
}

/** A map: a second object under the same key adds to the first. */
export function goMap<T>(element: GoType<T>, name = `map[string]${element.name}`): GoType<Record<string, T> | null> {
  return {
    name,
    zero: () => null,
    read(node, state, previous) {
      if (node.kind === "null") return null;
      if (node.kind !== "object") {
        state.mismatch(node.kind, name);
        return previous;
      }
      const entries = new Map(Object.entries(previous ?? {}));
      for (const [key, value] of node.entries) entries.set(key, element.read(value, state, element.zero()));
      return Object.fromEntries(entries);
    },
  };
}

/** A struct; its Go name is `package.Name`, or how Go spells a struct type that has none. */
export function goStruct<F extends Fields>(name: string, fields: F): GoType<Values<F>> {
  const byFoldedKey = new Map(Object.entries(fields).map(([key, type]) => [foldKey(key), { key, type }]));
  const shortName = /^\w+\.(\w+)$/.exec(name)?.[1] ?? "";
  return {
    name,
    zero: () => Object.fromEntries(Object.entries(fields).map(([key, type]) => [key, type.zero()])) as Values<F>,
    read(node, state, previous) {
      if (node.kind === "null") return previous;
      if (node.kind !== "object") {
        state.mismatch(node.kind, name);
        return previous;
      }
      const target: Record<string, unknown> = previous;
      const outer = state.struct;
      for (const [key, value] of node.entries) {
        const field = byFoldedKey.get(foldKey(key));
        if (field === undefined) continue;
        state.struct = shortName;
        state.path.push(field.key);
        target[field.key] = field.type.read(value, state, target[field.key]);
        state.path.pop();
        state.struct = outer;
      }
      return previous;
    },
  };
}

/** A type with its own UnmarshalJSON: a decoding of its own, whose errors end the outer one. */
export function goCustom<T>(name: string, zero: () => T, unmarshal: (node: GoNode) => T): GoType<T> {
  return { name, zero, read: (node) => unmarshal(node) };
}

/** Go's foldName for the ASCII names that Ollama's fields have: U+017F and U+212A are other cases of s and k. */
function foldKey(key: string): string {
  return key
    .replaceAll("\u017F", "s")
    .replaceAll("\u212A", "k")
    .replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}
