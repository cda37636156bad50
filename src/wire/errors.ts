// The one taxonomy of refusals and failures: code → HTTP status, whether a retry may help, and a title.

interface ErrorKind {
  readonly status: 400 | 401 | 403 | 404 | 405 | 409 | 413 | 415 | 429 | 500 | 502 | 503 | 504;
  readonly retryable: boolean;
  readonly title: string;
}

export const ERRORS = {
  bad_request: { status: 400, retryable: false, title: "Bad request" },
  ambiguous_body: { status: 400, retryable: false, title: "Ambiguous request body" },
  unauthenticated: { status: 401, retryable: false, title: "No valid token" },
  forbidden: { status: 403, retryable: false, title: "Not allowed" },
  model_forbidden: { status: 403, retryable: false, title: "Model not allowed for this token" },
  cloud_forbidden: { status: 403, retryable: false, title: "Cloud models are off" },
  not_found: { status: 404, retryable: false, title: "Not found" },
  unknown_model: { status: 404, retryable: false, title: "Unknown model" },
  unknown_host: { status: 404, retryable: false, title: "Unknown host" },
  conflict: { status: 409, retryable: false, title: "Conflict" },
  too_many_hosts: { status: 409, retryable: false, title: "MAX_INSTANCES hosts are registered" },
  stale_heartbeat: { status: 409, retryable: false, title: "Heartbeat is a replay or of an older run" },
  new_cell: { status: 409, retryable: true, title: "The cell has started anew and wants a heartbeat that names it" },
  too_large: { status: 413, retryable: false, title: "Request body too large" },
  too_many_attempts: { status: 429, retryable: true, title: "Too many failed attempts from this address" },
  tenant_limited: { status: 429, retryable: true, title: "Over the tenant's limit" },
  misconfigured: { status: 500, retryable: false, title: "A configuration variable has a bad value" },
  attempts_failed: { status: 502, retryable: true, title: "Every host tried failed" },
  no_host: { status: 503, retryable: true, title: "No host is online" },
  model_offline: { status: 503, retryable: true, title: "Every host that has the model is offline" },
  missing_capability: { status: 400, retryable: false, title: "The model lacks a capability" },
  queue_full: { status: 503, retryable: true, title: "Queue full" },
  cell_unavailable: { status: 503, retryable: true, title: "The cell is restarting or overloaded" },
  cell_busy: { status: 503, retryable: true, title: "No free slot in this cell" },
  queue_timeout: { status: 504, retryable: true, title: "The wait for a slot ran out" },
  deadline_passed: { status: 504, retryable: true, title: "The request's time is up" },
  cancelled: { status: 503, retryable: true, title: "Request cancelled" },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;
