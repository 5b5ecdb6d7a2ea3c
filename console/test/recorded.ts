/** Logs of sessions that took place, with what the server made of them. */

import { readdirSync, readFileSync } from "node:fs";
import { readEvent, type LogEvent } from "../src/log/events";
import { after, NOTHING, type View } from "../src/log/view";
import type { ExecutionEntry } from "../src/server/api";

export interface Recorded {
  readonly name: string;
  readonly events: readonly LogEvent[];
  /** The turns of GetSession. */
  readonly turns: readonly Record<string, unknown>[];
  readonly executions: readonly ExecutionEntry[];
}

export const RECORDED: readonly Recorded[] = readdirSync("test/logs").map((name) => {
  const found = JSON.parse(readFileSync(`test/logs/${name}`, "utf8")) as Omit<Recorded, "name">;
  const events = found.events.map((event) => readEvent(JSON.stringify(event)));
  return { ...found, name, events };
});

export function recorded(name: string): Recorded {
  const found = RECORDED.find((each) => each.name === `${name}.json`);
  if (!found) throw new Error(`There is no log ${name}.`);
  return found;
}

export function viewOf(events: readonly LogEvent[], from = NOTHING): View {
  return events.reduce(after, from);
}

let last = 0;

/** Return an event of the log, or with sequence 0 one that is not in it. */
export function event(
  type: string,
  data: Record<string, unknown> = {},
  sequence = ++last,
): LogEvent {
  return { sequence, type, at: 1_000_000 + sequence, data };
}
