/**
 * What was said: the same fold as agentfield/contract/turns.py, and beside it the words that are
 * still coming.
 */

import { holds, word, type Facts, type LogEvent } from "./events";

export interface Turn {
  readonly itemId: string;
  readonly role: "user" | "agent";
  /** What was said, of the agent: what was heard. Undefined: not known, or not yet. */
  readonly text?: string;
  /** Of the agent: all that it was going to say. */
  readonly fullText?: string;
  /** The words that have come so far, while the whole is not known. */
  readonly partial: string;
  /** Nothing more is waited for: transcribed, failed or late; or heard. */
  readonly finished: boolean;
  readonly interrupted: boolean;
  /** `text` is an estimate by time. */
  readonly estimated: boolean;
  /** Why there is no transcript. */
  readonly missing?: "failed" | "late";
  /** Which wish to speak led to it. */
  readonly commandId: string;
  readonly at: number;
}

export interface Turns {
  /** What each item follows, whatever it is; in the order in which they were told of. */
  readonly links: ReadonlyMap<string, string>;
  readonly turns: ReadonlyMap<string, Turn>;
  /** The item that was told of last. Empty: there is none. */
  readonly newest: string;
}

export const NO_TURNS: Turns = { links: new Map(), turns: new Map(), newest: "" };

const TELLS_OF_AN_ITEM = /^(item\.added|turn\.|agent\.|tool\.(called|refused))/;

/** Return the turns after an event; the same object if it changed nothing. */
export function turnsAfter(before: Turns, { type, data, at }: LogEvent): Turns {
  if (type === "watch.started") return { ...before, turns: withGaps(before.turns) };
  const itemId = word(data, "item_id");
  if (!itemId || !TELLS_OF_AN_ITEM.test(type)) return before;
  const known = before.turns.get(itemId) ?? firstHeardOf(itemId, type, at);
  const changed = changedBy(known, type, data);
  if (!changed && type.startsWith("turn.")) return before;
  const links = linked(before.links, itemId, word(data, "previous_item_id"));
  const newest = before.links.has(itemId) ? before.newest : itemId;
  const turns = changed ? new Map(before.turns).set(itemId, changed) : before.turns;
  return { links, turns, newest };
}

/** Return the ids of all items in the order of the conversation. */
export function inOrder(links: Turns["links"]): string[] {
  const after = (itemId: string) => links.get(itemId) ?? "";
  const following = grouped(links.keys(), (itemId) => (links.has(after(itemId)) ? after(itemId) : ""));
  // Of two that follow the same one, the later was put between it and the earlier.
  const todo = [...[...links.keys()].reverse(), ...(following.get("") ?? []).reverse()];
  const seen = new Set<string>();
  for (let itemId = todo.pop(); itemId !== undefined; itemId = todo.pop()) {
    if (seen.has(itemId)) continue;
    seen.add(itemId);
    todo.push(...(following.get(itemId) ?? []));
  }
  return [...seen];
}

/** Return what shares a name under it, in its order. */
export function grouped<T>(all: Iterable<T>, name: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const group = groups.get(name(one));
    if (group) group.push(one);
    else groups.set(name(one), [one]);
  }
  return groups;
}

/** Return whether a turn turned out to hold no words, and was not to hold any. */
export function isNoise(turn: Turn): boolean {
  return turn.finished && turn.text === "" && !(turn.interrupted && turn.fullText);
}

function firstHeardOf(itemId: string, type: string, at: number): Turn {
  return {
    itemId,
    role: type.startsWith("agent.") ? "agent" : "user",
    partial: "",
    finished: false,
    interrupted: false,
    estimated: false,
    commandId: "",
    at,
  };
}

function changedBy(turn: Turn, type: string, data: Facts): Turn | undefined {
  switch (type) {
    case "turn.committed":
      return turn;
    case "turn.delta":
    case "agent.delta":
      return { ...turn, partial: turn.partial + word(data, "delta") };
    case "turn.transcribed":
      return { ...turn, text: word(data, "text"), finished: true };
    case "turn.failed":
      return { ...turn, finished: true, missing: "failed" };
    case "turn.timed_out":
      return { ...turn, finished: true, missing: "late" };
    case "agent.said":
      return { ...turn, fullText: word(data, "text"), commandId: word(data, "command_id") };
    case "agent.interrupted":
      return turn.partial || turn.fullText ? { ...turn, interrupted: true } : undefined;
    case "agent.heard":
      return heard(turn, data);
    default:
      return undefined;
  }
}

function heard(turn: Turn, data: Facts): Turn {
  return {
    ...turn,
    text: word(data, "text"),
    fullText: word(data, "full_text"),
    finished: true,
    interrupted: holds(data, "interrupted"),
    estimated: holds(data, "estimated"),
    commandId: word(data, "command_id"),
  };
}

function linked(links: Turns["links"], itemId: string, previous: string): Turns["links"] {
  return links.get(itemId) ? links : new Map(links).set(itemId, previous);
}

/** Words that come one by one are sent once: those that came while nobody watched are lost. */
function withGaps(turns: Turns["turns"]): Turns["turns"] {
  const gap = (turn: Turn) =>
    turn.partial && !turn.finished ? { ...turn, partial: `${turn.partial} … ` } : turn;
  return new Map([...turns].map(([itemId, turn]) => [itemId, gap(turn)]));
}
