// One log line as an object. Never holds a token, a prompt or a header of a client.

export type Log = (line: { readonly event: string } & Readonly<Record<string, unknown>>) => void;
