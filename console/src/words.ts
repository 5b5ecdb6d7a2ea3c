/** What states and ends are called, for people. */

import type { components } from "./schema.gen";
import type { Handler, State } from "./log/view";

type Schemas = components["schemas"];
export type EndReason = Schemas["SessionEndReason"];
export type ExecutionStatus = Schemas["ExecutionStatus"];

export const STATES: Record<State, string> = {
  unknown: "Not started",
  pending: "Waiting for the audio connection",
  connecting: "Connecting",
  live: "Live",
  ended: "Ended",
};

export const END_REASONS: Record<EndReason, string> = {
  client_hangup: "The caller hung up.",
  client_lost: "The caller’s page was gone for too long.",
  client_tampering: "The caller’s client changed too much that was not its to change.",
  agent_ended: "The agent ended the call.",
  api_ended: "The call was ended from outside.",
  connect_timeout: "No audio connection was made in time.",
  idle_timeout: "Nobody said anything for too long.",
  max_duration: "The call reached its longest duration.",
  provider_closed: "The provider closed the call.",
  provider_error: "The provider failed.",
  handler_failed: "The agent’s handler failed.",
  agent_lost: "The agent went away and no other took over.",
  internal_error: "Something went wrong inside the server; its log has more.",
};

export const HANDLERS: Record<Handler, string> = {
  none: "The model leads",
  awaited: "Waiting for the handler",
  running: "The handler leads",
  returned: "The model leads",
  failed: "The handler failed",
  lost: "The handler is gone",
};

/** Why a call ended, to the one whose call it was. */
const OWN_ENDS: Partial<Record<EndReason, string>> = {
  client_hangup: "You hung up.",
  client_lost: "This page was not connected to the server for too long.",
};

/** Return why a session ended; `own`: it was the reader's own call. */
export function endReason(reason: string, own = false): string {
  const known = (own ? OWN_ENDS[reason as EndReason] : undefined) ?? END_REASONS[reason as EndReason];
  return known ?? "The call ended.";
}

/** Return a duration in words that fit a table: `820 ms`, `2.4 s`, `3:05`. */
export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.max(0, Math.round(milliseconds))} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return clock(milliseconds);
}

/** Return a time on a stopwatch: `0:07`, `1:02:03`. */
export function clock(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (part: number) => String(part).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  const ofHour = minutes < 60 ? String(minutes) : `${Math.floor(minutes / 60)}:${two(minutes % 60)}`;
  return `${ofHour}:${two(seconds % 60)}`;
}

/** Return JSON indented for reading; what is none as it stands. */
export function readable(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value, undefined, 2) ?? "";
  try {
    return JSON.stringify(JSON.parse(value), undefined, 2);
  } catch {
    return value;
  }
}
