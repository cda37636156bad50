// The reader of multipart forms: finds the model that Go would find, and refuses what the two could read differently.
import { describe, expect, it } from "vitest";
import { readForm } from "../../src/edge/body/form.ts";

const TYPE = "multipart/form-data; boundary=xYz";
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const field = (name: string, value: string): string =>
  `--xYz\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
const file = `--xYz\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n\r\n--xY\r\n\0\r\n`;
const END = "--xYz--\r\n";

describe("a form as clients write it", () => {
  it("is read, whatever order its parts have", () => {
    const expected = { ok: true, value: { model: "whisper:tiny", fileBytes: 9 } };
    expect(readForm(TYPE, bytesOf(field("model", "whisper:tiny") + file + END))).toMatchObject(expected);
    expect(
      readForm(TYPE, bytesOf(file + field("language", "en") + field("model", "whisper:tiny") + END)),
    ).toMatchObject(expected);
    expect(
      readForm('Multipart/Form-Data; boundary="xYz"', bytesOf(file + field("model", "whisper:tiny") + END)),
    ).toMatchObject(expected);
  });

  it("is read as FormData writes it, with names and values beyond ASCII", async () => {
    const form = new FormData();
    form.set("prompt", "größe\r\n--not-a-boundary");
    form.set("model", "hf.co/Müller/q");
    form.set("file", new File([new Uint8Array(70_000).map((_, at) => at)], 'söng "1".wav'));
    const request = new Request("http://x", { method: "POST", body: form });
    const read = readForm(request.headers.get("content-type") ?? "", new Uint8Array(await request.arrayBuffer()));
    expect(read).toMatchObject({ ok: true, value: { model: "hf.co/Müller/q", fileBytes: 70_000 } });
  });

  it("without a model or a file says so", () => {
    expect(readForm(TYPE, bytesOf(file + END))).toEqual({ ok: true, value: { model: "", fileBytes: 9 } });
    expect(readForm(TYPE, bytesOf(field("model", "x") + END))).toMatchObject({
      ok: true,
      value: { model: "x", fileBytes: undefined },
    });
    const named = `--xYz\r\nContent-Disposition: form-data; name="model"; filename="m"\r\n\r\nx\r\n`;
    expect(readForm(TYPE, bytesOf(named + field("file", "text") + END))).toEqual({
      ok: true,
      value: { model: "", fileBytes: undefined },
    });
  });
});

const good = field("model", "allowed");
const disposition = (rest: string): string => `--xYz\r\nContent-Disposition: ${rest}\r\n\r\nother\r\n`;

it("tells where the model is written, and nothing of what is around it", () => {
  const bytes = bytesOf(file + field("model", "größe") + END);
  const read = readForm(TYPE, bytes);
  const { start = 0, end = 0 } = (read.ok ? read.value.modelSpan : undefined) ?? {};
  expect(new TextDecoder().decode(bytes.subarray(start, end))).toBe("größe");
});

describe("a form that two readers could take for different ones", () => {
  it.each<[string, string, string]>([
    ["a second model", TYPE, good + field("model", "other") + END],
    ["a second file", TYPE, good + file + file + END],
    ["a name without quotes", TYPE, good + disposition("form-data; name=model") + END],
    ["a name in another notation", TYPE, good + disposition("form-data; name*=UTF-8''model") + END],
    ["a name with a backslash", TYPE, good + disposition('form-data; name="mo\\del"') + END],
    ["two names", TYPE, good + disposition('form-data; name="x"; name="model"') + END],
    ["a name after the file name", TYPE, good + disposition('form-data; filename="x"; name="model"') + END],
    ["no disposition", TYPE, `${good}--xYz\r\nContent-Type: text/plain\r\n\r\nother\r\n${END}`],
    [
      "two dispositions",
      TYPE,
      `${good}--xYz\r\nContent-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="model"\r\n\r\nother\r\n${END}`,
    ],
    [
      "a folded header",
      TYPE,
      `${good}--xYz\r\nContent-Disposition: form-data;\r\n name="model"\r\n\r\nother\r\n${END}`,
    ],
    [
      "an encoding of the part",
      TYPE,
      `--xYz\r\nContent-Disposition: form-data; name="model"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=61\r\n${END}`,
    ],
    ["a boundary followed by a space", TYPE, good.replace("--xYz\r\n", "--xYz \r\n") + END],
    [
      "a boundary that goes on",
      TYPE,
      `${good}--xYzz\r\nContent-Disposition: form-data; name="model"\r\n\r\nother\r\n${END}`,
    ],
    ["text before it", TYPE, `hello\r\n${good}${END}`],
    ["text right after it", TYPE, `${good}--xYz--model`],
    [
      "a control character in a header",
      TYPE,
      `${good}${disposition('form-data; name="a"').replace("name", "\0name")}${END}`,
    ],
    ["line ends without CR", TYPE, (good + END).replaceAll("\r\n", "\n")],
    ["two boundaries in the type", `${TYPE}; boundary=other`, good + END],
    ["a boundary with an escape", 'multipart/form-data; boundary="x\\Yz"', good + END],
    ["a boundary in another notation", "multipart/form-data; boundary=xYz; boundary*0=other", good + END],
  ])("is refused: %s", (_name, type, text) => {
    expect(readForm(type, bytesOf(text))).toMatchObject({ ok: false, error: { code: "ambiguous" } });
  });
});

describe("a form that is none", () => {
  it.each<[string, string, string, string]>([
    ["another type", "application/json", "{}", "request Content-Type isn't multipart/form-data"],
    ["no boundary", "multipart/form-data", good + END, "no multipart boundary param in Content-Type"],
    ["nothing", TYPE, "", "multipart: NextPart: EOF"],
    ["no end", TYPE, good, "unexpected EOF"],
    ["an end in a header", TYPE, "--xYz\r\nContent-Disp", "multipart: NextPart: EOF"],
  ])("is refused in Ollama's words: %s", (_name, type, text, reason) => {
    expect(readForm(type, bytesOf(text))).toEqual({
      ok: false,
      error: { code: "malformed", message: `failed to parse multipart form: ${reason}` },
    });
  });

  it("costs no more than its size to refuse [T21]", () => {
    const lines = "\r\n".repeat(2_000_000);
    const parts = field("x", "y").repeat(200);
    expect(readForm(TYPE, bytesOf(good + lines)).ok).toBe(false);
    expect(readForm(TYPE, bytesOf(parts + END))).toMatchObject({ error: { message: "the form has too many parts" } });
  });
});
