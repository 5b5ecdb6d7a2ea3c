/** One call: microphone, session, audio connection and log, from the button to the end. */

import type { LogEvent } from "../log/events";
import { after, NOTHING, type View } from "../log/view";
import { Workflow } from "../picture/workflow";
import { persistently, Server, type Started } from "../server/api";
import { troubleOf, type Trouble } from "../server/failures";
import { watch } from "../server/watch";
import { Store } from "../store";
import { Meters } from "./levels";
import { Line } from "./line";
import { microphone } from "./microphone";

export interface CallState {
  readonly phase: "microphone" | "starting" | "on" | "over";
  readonly target: string;
  readonly view: View;
  readonly muted: boolean;
  /** The microphone is gone: unplugged, or taken back. */
  readonly unheard: boolean;
  /** The caller has hung up, and the server may not know it yet. */
  readonly hungUp: boolean;
  /** The connection to the server's log. */
  readonly watched: boolean;
  /** Why it did not come about, or was given up. */
  readonly trouble?: Trouble;
  readonly sessionId: string;
}

/** Pauses before the offer is sent again, to a server that was away for a moment. */
const OFFER_PAUSES = [300, 1000];
const END_PAUSES = [500, 1000, 2000, 4000, 8000];
/** How long a connection stays open, without any sound, for the server to hear of the end first. */
const FAREWELL_MS = 1000;

export class Call {
  readonly state: Store<CallState>;
  readonly workflow = new Store<Workflow | undefined>(undefined);
  readonly meters = new Store<Meters | undefined>(undefined);
  private readonly leaving = new AbortController();
  private line: Line | undefined;
  private voice: MediaStream | undefined;
  private server: Server | undefined;

  constructor(
    target: string,
    readonly startToken: string,
  ) {
    this.state = new Store<CallState>({
      phase: "microphone",
      target,
      view: NOTHING,
      muted: false,
      hungUp: false,
      unheard: false,
      watched: true,
      sessionId: "",
    });
  }

  /** Whether there is a session that the caller has not left. */
  get goesOn(): boolean {
    return this.state.value.phase !== "over";
  }

  /** Place the call. Resolves when it is connected, or has failed: the state says which. */
  async begin(): Promise<void> {
    try {
      this.voice = await microphone();
      if (!this.goesOn) return this.silence();
      const gone = () => this.change({ unheard: true });
      for (const track of this.voice.getTracks()) track.addEventListener("ended", gone);
      this.change({ phase: "starting" });
      const { session_id: sessionId = "" } = await this.start();
      this.change({ sessionId });
      if (this.state.value.hungUp) return this.hangUp();
      this.change({ phase: "on" });
      await this.connect(this.voice);
    } catch (error) {
      this.fail(troubleOf(error));
    }
  }

  mute(muted: boolean): void {
    for (const track of this.voice?.getTracks() ?? []) track.enabled = !muted;
    this.change({ muted });
  }

  /** Hang up. The session's end comes from its log. */
  hangUp(): void {
    this.hush();
    this.change({ hungUp: true });
    const { server, state } = this;
    if (server && state.value.sessionId) {
      const end = () => server.end(state.value.sessionId);
      // Of a connection that closes first, the provider would tell that it had closed the call.
      const close = () => this.silence();
      setTimeout(close, FAREWELL_MS);
      persistently(end, END_PAUSES).then(close, (error: unknown) => this.over(troubleOf(error)));
    } else if (state.value.phase === "microphone" || state.value.trouble) {
      this.over();
    }
  }

  /** The page goes away: end the session in a request that outlives it. */
  leave(): void {
    const { sessionId, view } = this.state.value;
    if (this.server && sessionId && view.state !== "ended") {
      void this.server.end(sessionId, true).catch(() => undefined);
    }
    // The browser closes the connection with the page: closed before, it may be told of first.
    this.hush();
  }

  /** Follow the call no longer. */
  close(): void {
    this.leave();
    this.silence();
    this.leaving.abort();
    this.workflow.value?.close();
  }

  private async start(): Promise<Started> {
    const requestId = crypto.randomUUID();
    const starter = new Server(this.startToken);
    const { target } = this.state.value;
    const started = await persistently(() => starter.start(target, requestId), OFFER_PAUSES);
    this.server = new Server(started.session_token ?? "");
    const workflow = new Workflow(this.server, started.run_id ?? "");
    this.workflow.set(workflow);
    void this.follow(this.server, started.session_id ?? "", workflow);
    return started;
  }

  private async connect(voice: MediaStream): Promise<void> {
    const { server, meters } = { server: this.server, meters: new Meters() };
    this.meters.set(meters);
    meters.add("user", voice);
    this.line = new Line(voice, {
      heard: (sound) => meters.add("agent", sound),
      broke: () =>
        this.fail({
          title: "The audio connection broke",
          advice: "Check the network between you and the provider, then call again.",
        }),
    });
    const { sessionId } = this.state.value;
    const offer = await this.line.offer();
    if (!server) return;
    const answer = await persistently(() => server.offer(sessionId, offer), OFFER_PAUSES);
    if (this.goesOn) await this.line.take(answer);
  }

  private follow(server: Server, sessionId: string, workflow: Workflow): Promise<void> {
    const watcher = {
      events: (events: readonly LogEvent[]) => this.took(events, workflow),
      connected: (watched: boolean) => this.change({ watched }),
      over: (trouble?: Trouble) => this.over(trouble),
    };
    return watch(server, sessionId, watcher, this.leaving.signal);
  }

  private took(events: readonly LogEvent[], workflow: Workflow): void {
    const view = events.reduce(after, this.state.value.view);
    this.change({ view });
    workflow.took(events, view.state === "ended");
    if (view.state === "ended") this.silence();
  }

  private over(trouble?: Trouble): void {
    this.silence();
    const before = this.state.value.trouble ?? trouble;
    this.change({ phase: "over", watched: true, ...(before ? { trouble: before } : {}) });
  }

  private fail(trouble: Trouble): void {
    const { hungUp, view } = this.state.value;
    if (!this.goesOn || hungUp || view.state === "ended") return;
    this.change({ trouble });
    this.hangUp();
  }

  /** Nothing is sent or heard any more. */
  private hush(): void {
    for (const track of this.voice?.getTracks() ?? []) track.stop();
    this.line?.hush();
    this.meters.value?.close();
    this.meters.set(undefined);
  }

  private silence(): void {
    this.hush();
    this.line?.close();
  }

  private change(changes: Partial<CallState>): void {
    this.state.set({ ...this.state.value, ...changes });
  }
}
