/** Every way a request or the browser can fail, in words, with what to do about it. */

import type { components } from "../schema.gen";

export type ErrorReason = components["schemas"]["ErrorReason"];

/** What people are told: what happened, and what they can do. Plain text. */
export interface Trouble {
  readonly title: string;
  readonly advice: string;
  /** What the server said, for whoever runs it. */
  readonly detail?: string;
  /** When trying again makes sense, in milliseconds since the epoch. */
  readonly retryAt?: number;
}

/** A failure that people can be told of. */
export class Failure extends Error {
  constructor(
    readonly trouble: Trouble,
    /** The HTTP status. 0: there was no answer. */
    readonly status = 0,
    readonly reason = "",
  ) {
    super(trouble.title);
  }
}

type Words = readonly [title: string, advice: string];

const LINK = "Ask whoever sent you the link for a new one.";
const AGAIN = "Wait a moment, then try again.";

const VOID = `It is incomplete, long expired, or was taken back. ${LINK}`;

/** What to tell of a link that holds no start token at all. */
export const NOT_VALID: Trouble = { title: "The link is not valid", advice: VOID };

const BY_REASON: Partial<Record<ErrorReason, Words>> & Readonly<Record<string, Words>> = {
  START_TOKEN_EXPIRED: ["The link has expired", LINK],
  START_TOKEN_USED_UP: ["The link is used up", `It was good for so many calls. ${LINK}`],
  UNAUTHENTICATED: [NOT_VALID.title, VOID],
  PERMISSION_DENIED: ["The link does not allow this", `It is for another session. ${LINK}`],
  NODE_NOT_FOUND: [
    "There is no such agent",
    "No agent of this name has ever registered at this server. Check the link, or start the agent.",
  ],
  TARGET_NOT_FOUND: [
    "The agent does not have this session",
    "It may have been renamed, or one of its tools is missing. Start the agents it needs, or choose another session.",
  ],
  NODE_UNAVAILABLE: [
    "The agent is not there",
    "No worker that leads this session is connected. Start the agent, then try again.",
  ],
  SESSION_LIMIT_REACHED: ["All lines are busy", "As many calls are going on as are allowed. Try again when one has ended."],
  RATE_LIMITED: ["Too many requests", AGAIN],
  UNSUPPORTED_SESSION_TRANSPORT: [
    "The session is declared in a way its provider does not have",
    "Correct provider and transport where the agent declares it.",
  ],
  TRANSPORT_NOT_SERVED: [
    "This server does not serve the session’s transport",
    "Choose a session with another one.",
  ],
  SESSION_NOT_FOUND: ["There is no such session", "Check the address, or choose another session."],
  SESSION_ENDED: ["The call has ended", "Start a new one."],
  SESSION_ALREADY_CONNECTED: [
    "The call is connected elsewhere",
    "Another page has taken it. Start a new one here.",
  ],
  PROVIDER_FAILED: [
    "The provider did not take the call",
    "Try again. If it stays so, whoever runs the server finds more in the session’s log.",
  ],
  PROVIDER_KEY_MISSING: [
    "The server has no key for the provider",
    "Whoever runs the server has to give it one, then try again.",
  ],
  STORE_UNAVAILABLE: ["The server cannot write to its database", AGAIN],
  SERVER_DRAINING: ["The server is shutting down", AGAIN],
  SERVER_UNREACHABLE: ["The control plane cannot be reached", AGAIN],
  DEADLINE_EXCEEDED: ["The server took too long", AGAIN],
  HOST_NOT_ALLOWED: [
    "The server does not answer under this address",
    "Open it by an address that it allows (AGENTFIELD_ALLOWED_HOSTS).",
  ],
  INTERNAL: ["Something went wrong inside the server", "Its log has the details. Try again."],
};

/** Return what to tell of an answer that is an error. */
export async function failureOf(response: Response): Promise<Failure> {
  const body = await errorBody(response);
  const reason = typeof body["reason"] === "string" ? body["reason"] : "";
  const message = typeof body["message"] === "string" ? body["message"] : "";
  const [title, advice] = BY_REASON[reason] ?? unknown(response.status);
  const retryAt = retryTime(response.headers.get("Retry-After"));
  const trouble = {
    title,
    advice,
    ...(message ? { detail: message } : {}),
    ...(retryAt === undefined ? {} : { retryAt }),
  };
  return new Failure(trouble, response.status, reason);
}

/** Return what to tell when no answer came. */
export function unreachable(): Failure {
  return new Failure({
    title: "The server cannot be reached",
    advice: "Check that it runs and that you are connected to it, then try again.",
  });
}

/** Return what to tell of anything that was thrown. */
export function troubleOf(error: unknown): Trouble {
  if (error instanceof Failure) return error.trouble;
  return {
    title: "Something went wrong in this page",
    advice: "Reload it and try again.",
    ...(error instanceof Error ? { detail: error.message } : {}),
  };
}

function unknown(status: number): Words {
  return status >= 500
    ? ["The server failed", AGAIN]
    : ["The server refused", "What it says about it is below."];
}

async function errorBody(response: Response): Promise<Record<string, unknown>> {
  try {
    const body: unknown = await response.json();
    return typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function retryTime(header: string | null): number | undefined {
  const seconds = Number(header);
  return header && Number.isFinite(seconds) ? Date.now() + seconds * 1000 : undefined;
}
