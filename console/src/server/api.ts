/** The server's REST routes that the page uses, with the types of their answers. */

import type { components } from "../schema.gen";
import { Failure, failureOf, unreachable } from "./failures";

type Schemas = components["schemas"];
export type Started = Schemas["StartedForm"];
export type Session = Schemas["Session"];
export type Node = Schemas["NodeForm"];
export type Declaration = Schemas["SessionDeclaration"];
export type Pair = Schemas["ServedPair"];
export type ExecutionEntry = Schemas["DagEntry"];
export type Execution = Schemas["ExecutionForm"];
export type Sessions = Schemas["ListSessionsResponse"];

/** How long an answer may take. The server waits for the provider for 15 seconds at most. */
const PATIENCE_MS = 25_000;

/** The server, asked with one token or, where it has no keys, without. */
export class Server {
  constructor(readonly token: string) {}

  /** The headers that prove who asks. */
  get credential(): Record<string, string> {
    return this.token ? { Authorization: `Bearer ${this.token}` } : {};
  }

  async pairs(): Promise<readonly Pair[]> {
    return (await this.get<Schemas["GetServerInfoResponse"]>("server")).pairs ?? [];
  }

  async nodes(): Promise<readonly Node[]> {
    const found: Node[] = [];
    let page = "";
    do {
      const query = page ? `?page_token=${encodeURIComponent(page)}` : "";
      const answer = await this.get<Schemas["NodesForm"]>(`nodes${query}`);
      found.push(...(answer.nodes ?? []));
      page = answer.next_page_token ?? "";
    } while (page);
    return found;
  }

  sessions(page: string): Promise<Sessions> {
    const query = page ? `&page_token=${encodeURIComponent(page)}` : "";
    return this.get<Sessions>(`session-instances?page_size=10${query}`);
  }

  session(sessionId: string): Promise<Session> {
    return this.get<Session>(`session-instances/${encodeURIComponent(sessionId)}`);
  }

  /** Start a session. The same request again returns the same session. */
  start(target: string, requestId: string): Promise<Started> {
    const path = `session-targets/${encodeURIComponent(target)}/start`;
    return this.post<Started>(path, "{}", { "Idempotency-Key": requestId });
  }

  /** Send the offer and return the provider's answer, both SDP. The same again is answered again. */
  async offer(sessionId: string, sdp: string): Promise<string> {
    const path = `session-instances/${encodeURIComponent(sessionId)}/realtime-offer`;
    const headers = { "Content-Type": "application/sdp" };
    return (await this.ask(path, { method: "POST", body: sdp, headers })).text();
  }

  /** End a session as the caller who hangs up; `leaving`: also when the page is gone by then. */
  async end(sessionId: string, leaving = false): Promise<void> {
    const path = `session-instances/${encodeURIComponent(sessionId)}/end`;
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ hangup: true });
    await this.ask(path, { method: "POST", body, headers, keepalive: leaving });
  }

  /** Return the executions of a workflow, parents before their children. */
  async workflow(runId: string): Promise<readonly ExecutionEntry[]> {
    const path = `workflows/${encodeURIComponent(runId)}/dag?lightweight=true`;
    return (await this.get<Schemas["DagForm"]>(path)).timeline ?? [];
  }

  execution(executionId: string): Promise<Execution> {
    return this.get<Execution>(`executions/${encodeURIComponent(executionId)}`);
  }

  /** Open a session's log after a number, as a stream of server-sent events. */
  events(sessionId: string, last: number, signal: AbortSignal): Promise<Response> {
    const path = `session-instances/${encodeURIComponent(sessionId)}/events`;
    const headers = { Accept: "text/event-stream", "Last-Event-ID": String(last) };
    return this.ask(path, { headers, signal });
  }

  private async get<Answer>(path: string): Promise<Answer> {
    return (await (await this.ask(path, {})).json()) as Answer;
  }

  private async post<Answer>(
    path: string,
    body: string,
    headers: Record<string, string>,
  ): Promise<Answer> {
    const all = { "Content-Type": "application/json", ...headers };
    return (await (await this.ask(path, { method: "POST", body, headers: all })).json()) as Answer;
  }

  private async ask(path: string, request: RequestInit): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(`/api/v1/${path}`, {
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
        signal: AbortSignal.timeout(PATIENCE_MS),
        ...request,
        headers: { ...(request.headers as Record<string, string>), ...this.credential },
      });
    } catch (error) {
      if (request.signal?.aborted) throw error;
      throw unreachable();
    }
    if (!response.ok) throw await failureOf(response);
    return response;
  }
}

/** Do something again while the server cannot be reached or says that it will pass. */
export async function persistently<T>(what: () => Promise<T>, pauses: readonly number[]): Promise<T> {
  for (const pause of pauses) {
    try {
      return await what();
    } catch (error) {
      if (!(error instanceof Failure) || (error.status !== 0 && error.status !== 503)) throw error;
      await new Promise((resume) => setTimeout(resume, pause));
    }
  }
  return what();
}
