/** What happened beside what was said and called, in plain words. */

import { count, word, type Facts, type LogEvent } from "./events";

export interface Note {
  readonly sequence: number;
  /** The newest item of the conversation when it happened. Empty: there was none. */
  readonly after: string;
  readonly kind: "fact" | "warning" | "error";
  readonly text: string;
  readonly at: number;
}

export function noteOf(event: LogEvent, after: string): Note | undefined {
  const told = event.sequence > 0 ? words(event.type, event.data) : undefined;
  return told && { sequence: event.sequence, after, kind: told[0], text: told[1], at: event.at };
}

type Told = readonly [kind: Note["kind"], text: string] | undefined;

function words(type: string, data: Facts): Told {
  switch (type) {
    case "agent.stopped":
      return data["stopped"] === true
        ? ["fact", "The handler stopped what was being said."]
        : undefined;
    case "agent.deviated":
      return ["warning", `The handler had asked for: “${word(data, "asked")}”`];
    case "response.done":
      return word(data, "status") === "failed"
        ? ["error", `The model failed to answer.${more(errorOf(data["error"]))}`]
        : undefined;
    case "provider.lost":
      return ["warning", "The server lost its link to the provider. The call itself goes on."];
    case "provider.gap":
      return ["warning", gap(data)];
    case "provider.error":
      return ["error", `The provider reported an error.${more(word(data, "message"))}`];
    case "configuration.changed":
      return ["fact", "The handler changed what the model is told or may call."];
    case "client.tampering":
      return ["error", tampering(data)];
    default:
      return aboutHandler(type, data);
  }
}

function aboutHandler(type: string, data: Facts): Told {
  const attempt = count(data, "attempt") ?? 1;
  switch (type) {
    case "handler.started":
      return attempt > 1 ? ["fact", `The handler began again (attempt ${attempt}).`] : undefined;
    case "handler.lost":
      return ["warning", "The agent that led the call is gone."];
    case "handler.returned":
      return ["fact", "The handler has returned: from now on the model leads."];
    case "handler.failed":
      return ["error", `The handler failed.${more(errorOf(data["error"]))}`];
    default:
      return undefined;
  }
}

function gap(data: Facts): string {
  const [from, to] = [data["from"], data["to"]].map(moment);
  const seconds = from !== undefined && to !== undefined ? Math.round((to - from) / 1000) : 0;
  const time = seconds > 0 ? ` for ${seconds} s` : "";
  return `The server is linked to the call again. What was said meanwhile${time} is not recorded.`;
}

function moment(value: unknown): number | undefined {
  if (typeof value === "number") return value / 1000;
  return typeof value === "string" ? Date.parse(value) : undefined;
}

const TAMPERING: Readonly<Record<string, string>> = {
  configuration: "changed the configuration; it was put back",
  tool_output: "changed a tool’s result; it was put back",
  response: "asked for an answer that is the agent’s to give; it was stopped",
  function_call: "put in a call of a tool; it was taken out",
  message: "put in words that are not the user’s; they were taken out",
};

function tampering(data: Facts): string {
  const what = TAMPERING[word(data, "what")] ?? "changed what is not its to change";
  return `Over its data channel, the client ${what}.`;
}

function errorOf(error: unknown): string {
  if (typeof error === "string") return error;
  return typeof error === "object" && error !== null ? word(error as Facts, "message") : "";
}

function more(text: string): string {
  return text ? ` ${text}` : "";
}
