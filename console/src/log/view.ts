/**
 * One session as its log tells it: the fold behind everything the page shows, of a call that goes
 * on and of one long over alike.
 */

import { holds, word, type Facts, type LogEvent } from "./events";
import { noteOf, type Note } from "./notes";
import { toolsAfter, type ToolCall, type Tools } from "./tools";
import { grouped, inOrder, isNoise, NO_TURNS, turnsAfter, type Turn, type Turns } from "./turns";

export type State = "unknown" | "pending" | "connecting" | "live" | "ended";
export type Handler = "none" | "awaited" | "running" | "returned" | "failed" | "lost";

export interface View {
  /** The number of the newest event of the log. */
  readonly last: number;
  readonly state: State;
  readonly target: string;
  readonly provider: string;
  readonly transport: string;
  readonly model: string;
  readonly voice: string;
  readonly handler: Handler;
  readonly startedAt?: number;
  readonly liveAt?: number;
  readonly endedAt?: number;
  readonly endReason: string;
  readonly endDetail: string;
  /** The link of the server to the provider broke and is to be attached again. */
  readonly linkLost: boolean;
  /** The user is speaking, as the provider hears it. */
  readonly userSpeaks: boolean;
  /** The model has begun an answer and not finished making it. */
  readonly thinks: boolean;
  readonly turns: Turns;
  readonly tools: Tools;
  readonly notes: readonly Note[];
}

export const NOTHING: View = {
  last: 0,
  state: "unknown",
  target: "",
  provider: "",
  transport: "",
  model: "",
  voice: "",
  handler: "none",
  endReason: "",
  endDetail: "",
  linkLost: false,
  userSpeaks: false,
  thinks: false,
  turns: NO_TURNS,
  tools: new Map(),
  notes: [],
};

/** Return the view after an event. Events of the log that it has seen already change nothing. */
export function after(view: View, event: LogEvent): View {
  const logged = event.sequence > 0;
  if (logged && event.sequence <= view.last) return view;
  const turns = turnsAfter(view.turns, event);
  const note = noteOf(event, turns.newest);
  return {
    ...view,
    ...changes(view, event),
    last: logged ? event.sequence : view.last,
    turns,
    tools: toolsAfter(view.tools, event),
    notes: note ? [...view.notes, note] : view.notes,
  };
}

function changes(view: View, { type, data, at }: LogEvent): Partial<View> {
  switch (type) {
    case "session.started":
      return started(data, at);
    case "session.connecting":
      return { state: "connecting" };
    case "session.live":
      return { state: "live", linkLost: false, liveAt: view.liveAt ?? at };
    case "session.ended":
      return {
        state: "ended",
        endedAt: at,
        endReason: word(data, "reason"),
        endDetail: word(data, "detail"),
        linkLost: false,
        userSpeaks: false,
        thinks: false,
      };
    case "handler.started":
      return { handler: "running" };
    case "handler.returned":
      return { handler: "returned" };
    case "handler.failed":
      return { handler: "failed" };
    case "handler.lost":
      return { handler: "lost" };
    case "provider.lost":
      return { linkLost: true, userSpeaks: false };
    case "speech.started":
      return { userSpeaks: true };
    case "speech.stopped":
    case "turn.committed":
      return { userSpeaks: false };
    case "agent.started":
      return { thinks: true };
    case "response.done":
      return { thinks: false };
    default:
      return {};
  }
}

function started(data: Facts, at: number): Partial<View> {
  return {
    state: "pending",
    startedAt: at,
    target: word(data, "target"),
    provider: word(data, "provider"),
    transport: word(data, "transport"),
    model: word(data, "model"),
    voice: word(data, "voice"),
    handler: holds(data, "has_handler") ? "awaited" : "none",
  };
}

export type Entry =
  | { readonly kind: "turn"; readonly key: string; readonly what: Turn }
  | { readonly kind: "tool"; readonly key: string; readonly what: ToolCall }
  | { readonly kind: "note"; readonly key: string; readonly what: Note };

/** Return what happened, in the order of the conversation; noise is left out. */
export function timeline(view: View): Entry[] {
  const toolOf = new Map([...view.tools.values()].map((call) => [call.itemId, call]));
  const order = inOrder(view.turns.links);
  const notes = grouped(view.notes, (note) => note.after);
  const entries = [...notesAfter(notes, "")];
  for (const itemId of order) {
    const turn = view.turns.turns.get(itemId);
    if (turn && !isNoise(turn)) entries.push({ kind: "turn", key: itemId, what: turn });
    const call = toolOf.get(itemId);
    if (call) entries.push({ kind: "tool", key: `tool ${call.key}`, what: call });
    entries.push(...notesAfter(notes, itemId));
  }
  const placed = new Set(order);
  for (const call of view.tools.values()) {
    if (placed.has(call.itemId)) continue;
    entries.push({ kind: "tool", key: `tool ${call.key}`, what: call });
  }
  return entries;
}

function notesAfter(notes: ReadonlyMap<string, readonly Note[]>, itemId: string): Entry[] {
  const found = notes.get(itemId) ?? [];
  return found.map((note) => ({ kind: "note", key: `note ${note.sequence}`, what: note }));
}

/** Return who speaks, as the log tells it: the agent from its first word until it was heard. */
export function speaks(view: View): "user" | "agent" | "nobody" {
  if (view.userSpeaks) return "user";
  if (view.state === "ended") return "nobody";
  const talking = [...view.turns.turns.values()].some(
    (turn) => turn.role === "agent" && !turn.finished && !turn.interrupted,
  );
  return talking ? "agent" : "nobody";
}
