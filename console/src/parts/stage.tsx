import type { ComponentChildren } from "preact";
import type { Meters } from "../call/levels";
import { speaks, type View } from "../log/view";
import { Store, useStore } from "../store";
import { clock, HANDLERS, STATES } from "../words";
import { useNow } from "./now";

interface Props {
  readonly view: View;
  readonly target: string;
  /** In place of the session's state, while there is none. */
  readonly doing?: string;
  /** Whether it is the reader's own call. */
  readonly own?: boolean;
  readonly meters?: Meters | undefined;
  readonly muted?: boolean;
  readonly children?: ComponentChildren;
}

const NO_LEVELS = new Store({ user: 0, agent: 0 });

/** Who talks to whom, who speaks now, and for how long already. */
export function Stage({ view, target, doing, own = false, meters, muted = false, children }: Props) {
  const over = view.state === "ended";
  return (
    <section class="stage" aria-label="Call" data-state={view.state}>
      <div class="title">
        <h1 tabIndex={-1}>{target}</h1>
        <p class="state" data-testid="state">
          {doing ?? STATES[view.state]}
        </p>
        {!over && <Handler view={view} />}
      </div>
      {!over && (own || view.state !== "unknown") && <Voices view={view} own={own} meters={meters} muted={muted} />}
      <div class="controls">
        <Elapsed view={view} />
        {children}
      </div>
    </section>
  );
}

function Handler({ view }: { view: View }) {
  return view.state === "unknown" ? null : <p class="handler">{HANDLERS[view.handler]}</p>;
}

type VoicesProps = { view: View; own: boolean; meters?: Meters | undefined; muted: boolean };

function Voices({ view, own, meters, muted }: VoicesProps) {
  const levels = useStore(meters?.levels ?? NO_LEVELS);
  const logged = speaks(view);
  const speaker = logged === "nobody" && levels.agent > 0 ? "agent" : logged;
  return (
    <div class="voices">
      <Voice name={own ? "You" : "Caller"} level={muted ? 0 : levels.user} speaks={speaker === "user"} />
      <p class="speaker" data-testid="speaker" data-speaker={speaker}>
        {sentence(speaker, view, own, muted)}
      </p>
      <Voice name="Agent" level={levels.agent} speaks={speaker === "agent"} />
    </div>
  );
}

function Voice({ name, level, speaks }: { name: string; level: number; speaks: boolean }) {
  return (
    <div class="voice" data-level={level} data-speaks={speaks} aria-hidden="true">
      <svg width="48" height="24" viewBox="0 0 48 24">
        {[0.45, 0.75, 1, 0.75, 0.45].map((height, index) => {
          const tall = Math.max(4, height * (4 + level * 5));
          return <rect key={index} x={4 + index * 9} y={12 - tall / 2} width="4" height={tall} rx="2" />;
        })}
      </svg>
      <span>{name}</span>
    </div>
  );
}

function sentence(
  speaker: "user" | "agent" | "nobody",
  view: View,
  own: boolean,
  muted: boolean,
): string {
  if (speaker === "agent") return "The agent is speaking";
  if (muted) return "You are muted";
  if (speaker === "user") return own ? "You are speaking" : "The caller is speaking";
  if (view.thinks) return "The agent is thinking";
  return view.state === "live" ? "Nobody is speaking" : "Not connected yet";
}

function Elapsed({ view }: { view: View }) {
  const runs = view.liveAt !== undefined && view.endedAt === undefined;
  const now = useNow(runs ? 1000 : 0);
  const end = view.endedAt ?? now;
  return (
    <p class="elapsed" role="timer" aria-label="Duration">
      {clock(view.liveAt === undefined ? 0 : end - view.liveAt)}
    </p>
  );
}
