// An expected outcome as data: what every function answers with whose failure is part of its job.

export type Result<Value, Failure> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly error: Failure };
