/** The log of a session, followed over lost connections. */

import { readEvent, type LogEvent } from "../log/events";
import type { Server } from "./api";
import { Failure, troubleOf, type Trouble } from "./failures";
import { messagesOf } from "./sse";

/** Streams are never silent for so long: the server breaks the silence. */
const SILENCE_MS = 60_000;
const PAUSES_MS = [250, 500, 1000, 2000, 4000];

export interface Watcher {
  /** What has happened: of a long log, much at once. */
  events(events: readonly LogEvent[]): void;
  /** The connection is there, or is to be made again. */
  connected(so: boolean): void;
  /** It is over: the log is at its end, or cannot be had. */
  over(trouble?: Trouble): void;
}

/** Follow a session's log from its beginning until its last event, or until aborted. */
export async function watch(
  server: Server,
  sessionId: string,
  watcher: Watcher,
  signal: AbortSignal,
): Promise<void> {
  let last = 0;
  let failures = 0;
  const took = (events: readonly LogEvent[]) => {
    failures = 0;
    last = events.reduce((newest, { sequence }) => Math.max(newest, sequence), last);
    watcher.events(events);
  };
  while (!signal.aborted) {
    try {
      if (await once(server, sessionId, last, took, watcher, signal)) return watcher.over();
    } catch (error) {
      if (signal.aborted) return;
      if (isFinal(error)) return watcher.over(troubleOf(error));
    }
    watcher.connected(false);
    await pause(PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)] ?? 0, signal);
    failures += 1;
  }
}

/** Follow one connection to its end. Return whether that was the end of the log. */
async function once(
  server: Server,
  sessionId: string,
  last: number,
  took: (events: readonly LogEvent[]) => void,
  watcher: Watcher,
  signal: AbortSignal,
): Promise<boolean> {
  const quiet = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => quiet.abort(), SILENCE_MS);
  };
  try {
    alive();
    const either = AbortSignal.any([signal, quiet.signal]);
    const response = await server.events(sessionId, last, either);
    if (response.status === 204) return true;
    watcher.connected(true);
    for await (const messages of messagesOf(response, alive)) {
      const failed = messages.findIndex(({ event }) => event === "error");
      const whole = failed < 0 ? messages : messages.slice(0, failed);
      const events = whole.map(({ data }) => readEvent(data));
      if (events.length) took(events);
      if (events.at(-1)?.type === "session.ended") return true;
      if (failed >= 0) return false;
    }
    return false;
  } finally {
    clearTimeout(timer);
  }
}

/** Asking again does not help: the token is void, or there is no such session. */
function isFinal(error: unknown): boolean {
  return error instanceof Failure && error.status >= 400 && error.status < 500 && error.status !== 429;
}

/** Wait, and no longer than until the browser is online again. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resume) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      signal.removeEventListener("abort", done);
      resume();
    };
    const timer = setTimeout(done, milliseconds);
    addEventListener("online", done);
    signal.addEventListener("abort", done);
  });
}
