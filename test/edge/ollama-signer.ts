// Signs requests as the `ollama` command line does with OLLAMA_AUTH=1, with a key of its own.

export interface OllamaSigner {
  /** As in ~/.ollama/id_ed25519.pub. */
  readonly publicLine: string;
  /** 32 bytes in base64url. */
  readonly key: string;
  /** The query and header that go with a request; `at` in epoch ms. */
  sign(method: string, path: string, at: number): Promise<{ readonly query: string; readonly authorization: string }>;
}

/** Makes a key and its signer. */
export async function makeOllamaSigner(): Promise<OllamaSigner> {
  const pair = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]);
  if (!("privateKey" in pair)) throw new Error("no key pair");
  const exported = await crypto.subtle.exportKey("raw", pair.publicKey);
  if (!(exported instanceof ArrayBuffer)) throw new Error("no raw key");
  const raw = new Uint8Array(exported);
  const name = new TextEncoder().encode("ssh-ed25519");
  const encoded = base64(Uint8Array.from([0, 0, 0, name.length, ...name, 0, 0, 0, raw.length, ...raw]));
  return {
    publicLine: `ssh-ed25519 ${encoded}`,
    key: base64(raw).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", ""),
    sign: async (method, path, at) => {
      const query = `?ts=${Math.floor(at / 1000)}`;
      const text = new TextEncoder().encode(`${method},${path}${query}`);
      const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", pair.privateKey, text));
      return { query, authorization: `${encoded}:${base64(signature)}` };
    },
  };
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
