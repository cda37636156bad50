// One interface over the real client libraries, so that one table of tests drives them all.

/** Where a client is pointed, and with which token. */
export interface Access {
  /** Base URL as Ollama's own, without a trailing slash. */
  readonly url: string;
  readonly token: string;
}

export interface Asked {
  readonly model: string;
  readonly prompt: string;
  /** Offers the tool `get_weather`; the simulated host calls it when the prompt says "call get_weather". */
  readonly tools?: boolean;
}

/** What a caller of the library gets to see, without clocks and ids. */
export interface Said {
  readonly text: string;
  readonly calls: readonly { readonly name: string; readonly input: unknown }[];
  /** Why the model stopped, in the library's word. */
  readonly stop: string | undefined;
  /** Output tokens as the library reports them. */
  readonly outputTokens: number | undefined;
  /** Pieces of text in which it came; 1 where it is not streamed. */
  readonly pieces: number;
}

export interface RealClient {
  readonly name: string;
  /** Whether the API it speaks has tools. */
  readonly tools: boolean;
  /** Drops a stream's error record, Ollama's own too: its caller sees an answer that has no proper end. */
  readonly dropsErrorRecords?: true;
  whole(access: Access, asked: Asked): Promise<Said>;
  /** Reads to the end; rejects where the library tells its caller that something went wrong. */
  streamed(access: Access, asked: Asked): Promise<Said>;
  readonly embed?: (access: Access, model: string, input: string) => Promise<readonly number[]>;
  readonly models?: (access: Access) => Promise<readonly string[]>;
}

/** JSON schema of the arguments of `get_weather`. */
export const WEATHER_INPUT = {
  type: "object" as const,
  properties: { city: { type: "string" as const } },
  required: ["city"],
};

/** What the caller of a library reads when its request fails; empty when it did not fail. */
export async function refusalOf(asking: Promise<unknown>): Promise<string> {
  try {
    await asking;
    return "";
  } catch (cause) {
    if (!(cause instanceof Error)) return String(cause);
    // ai's own errors carry the words of the server apart from the message.
    const body = "responseBody" in cause && typeof cause.responseBody === "string" ? cause.responseBody : "";
    return `${cause.message} ${body}`;
  }
}
