// A reason why the agent cannot start or join, as one line for the person who started it.

export class AgentError extends Error {
  override name = "AgentError";
}
