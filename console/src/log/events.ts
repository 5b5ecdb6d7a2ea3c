/** An event of a session's log, as docs/events.md describes them. */
export interface LogEvent {
  /** Its number, from 1 without gaps. 0: not in the log. */
  readonly sequence: number;
  readonly type: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly data: Facts;
}

/** The data of an event. Members that are not known, or of another type, are as good as absent. */
export type Facts = Readonly<Record<string, unknown>>;

/** Read an event as the server sends it. Throws SyntaxError if it is none. */
export function readEvent(json: string): LogEvent {
  const { sequence, type, at, data } = JSON.parse(json) as Record<string, unknown>;
  if (typeof type !== "string") throw new SyntaxError("An event has no type.");
  return {
    sequence: typeof sequence === "number" ? sequence : 0,
    type,
    at: typeof at === "string" ? Date.parse(at) : 0,
    data: typeof data === "object" && data !== null ? (data as Facts) : {},
  };
}

export function word(facts: Facts, name: string): string {
  const value = facts[name];
  return typeof value === "string" ? value : "";
}

export function count(facts: Facts, name: string): number | undefined {
  const value = facts[name];
  return typeof value === "number" ? value : undefined;
}

export function holds(facts: Facts, name: string): boolean {
  return facts[name] === true;
}
