// An error before the first byte; each API words it in its own shape.

export class Refusal extends Error {
  override name = "Refusal";
  readonly status: number;
  /** Found out inside the stream, before its first record: Ollama sends such an error without a length. */
  readonly inStream: boolean;

  constructor(status: number, message: string, inStream = false) {
    super(message);
    this.status = status;
    this.inStream = inStream;
  }
}
