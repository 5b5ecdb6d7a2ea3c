/** The calls of tools, from being asked for to what the model was told. */

import { count, word, type Facts, type LogEvent } from "./events";

export interface ToolCall {
  readonly key: string;
  /** The item of the conversation that asked for it. Empty: the client did. */
  readonly itemId: string;
  readonly name: string;
  readonly target: string;
  /** JSON, as it was sent. */
  readonly input: string;
  readonly source: string;
  readonly status: ToolStatus;
  readonly executionId: string;
  readonly durationMs?: number;
  /** What the model was told, JSON or plain words. */
  readonly output?: string;
  /** Why it was refused or did not succeed. */
  readonly error: string;
  readonly at: number;
}

export type ToolStatus =
  | "called"
  | "running"
  | "refused"
  | "succeeded"
  | "failed"
  | "cancelled"
  | "timeout";

export type Tools = ReadonlyMap<string, ToolCall>;

/** Return the calls after an event; the same object if it changed none. */
export function toolsAfter(tools: Tools, { type, data, at }: LogEvent): Tools {
  if (!type.startsWith("tool.")) return tools;
  if (type === "tool.called" || type === "tool.refused") {
    const call = asked(word(data, "call_id") || `client ${tools.size}`, type, data, at);
    return new Map(tools).set(call.key, call);
  }
  const known = meant(tools, data);
  const changed = known && changedBy(known, type, data);
  return changed ? new Map(tools).set(changed.key, changed) : tools;
}

/** The calls of a client have no id of a provider's: they start at once, or not at all. */
function meant(tools: Tools, data: Facts): ToolCall | undefined {
  const known = tools.get(word(data, "call_id"));
  if (known) return known;
  const calls = [...tools.values()];
  const executionId = word(data, "execution_id");
  return calls.find((call) => call.executionId === executionId) ?? calls.at(-1);
}

function asked(key: string, type: string, data: Facts, at: number): ToolCall {
  const refused = type === "tool.refused";
  return {
    key,
    itemId: word(data, "item_id"),
    name: word(data, "name"),
    target: word(data, "target"),
    input: asText(data["arguments"]),
    source: word(data, "source"),
    status: refused ? "refused" : "called",
    executionId: "",
    error: refused ? word(data, "message") || word(data, "reason") : "",
    at,
  };
}

function changedBy(call: ToolCall, type: string, data: Facts): ToolCall | undefined {
  switch (type) {
    case "tool.started":
      return { ...call, status: "running", executionId: word(data, "execution_id") };
    case "tool.finished": {
      const durationMs = count(data, "duration_ms");
      return {
        ...call,
        status: finished(word(data, "status")),
        executionId: word(data, "execution_id") || call.executionId,
        error: word(data, "error_reason"),
        ...(durationMs === undefined ? {} : { durationMs }),
      };
    }
    case "tool.output":
      return { ...call, output: asText(data["output"]) };
    default:
      return undefined;
  }
}

function finished(status: string): ToolStatus {
  const known = status === "succeeded" || status === "cancelled" || status === "timeout";
  return known ? status : "failed";
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value);
}
