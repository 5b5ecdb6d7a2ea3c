import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Note } from "../log/notes";
import type { Turn } from "../log/turns";
import { timeline, type Entry, type View } from "../log/view";
import { ToolPart } from "./tool";

interface Props {
  readonly view: View;
  /** Whether it is the reader's own call. */
  readonly own?: boolean;
  /** Whether new entries are scrolled into sight, if those before them were. */
  readonly follows: boolean;
}

/** Everything that was said and called, in the order of the conversation. */
export function Conversation({ view, own = false, follows }: Props) {
  const entries = timeline(view);
  const end = useEndInSight(follows, view);
  return (
    <section class="panel conversation" aria-labelledby="conversation">
      <h2 id="conversation">Conversation</h2>
      {entries.length === 0 && <p class="quiet">{nothing(view, own)}</p>}
      <ol class="timeline">
        {entries.map((entry) => (
          <EntryPart key={entry.key} entry={entry} own={own} over={view.state === "ended"} />
        ))}
      </ol>
      <div ref={end} />
    </section>
  );
}

interface EntryProps {
  readonly entry: Entry;
  readonly own: boolean;
  readonly over: boolean;
}

/** An entry, drawn anew only when it has changed: of a long conversation, one or two of thousands. */
function EntryPart({ entry, own, over }: EntryProps) {
  const { kind, what } = entry;
  return useMemo(() => drawn({ entry, own, over }), [kind, what, own, over]);
}

function drawn({ entry, own, over }: EntryProps) {
  switch (entry.kind) {
    case "turn":
      return <TurnPart turn={entry.what} user={own ? "You" : "Caller"} over={over} />;
    case "tool":
      return <ToolPart call={entry.what} />;
    case "note":
      return <NotePart note={entry.what} />;
  }
}

function TurnPart({ turn, user, over }: { turn: Turn; user: string; over: boolean }) {
  const { text, partial, fullText } = turn;
  const open = !turn.finished && !over;
  const words = text ?? fullText ?? partial;
  const unheard = turn.interrupted && turn.finished ? rest(text ?? "", fullText ?? partial) : "";
  return (
    <li class={`turn ${turn.role}`} data-open={open}>
      <p class="who">{turn.role === "user" ? user : "Agent"}</p>
      {words ? (
        <p class="words" dir="auto">
          {words}
        </p>
      ) : (
        <p class="words quiet">{nothingYet(turn, over)}</p>
      )}
      {turn.interrupted && (
        <p class="aside">
          {interruption(turn)}
          {unheard && (
            <>
              {" "}
              Not heard: <s dir="auto">{unheard}</s>
            </>
          )}
        </p>
      )}
    </li>
  );
}

function NotePart({ note }: { note: Note }) {
  return (
    <li class={`note ${note.kind}`}>
      <p dir="auto">{note.text}</p>
    </li>
  );
}

function nothing({ state }: View, own: boolean): string {
  if (state === "ended") return "Nothing was said.";
  if (state === "unknown" && !own) return "";
  if (!own) return "Nothing was said yet.";
  return state === "live" ? "You are connected. Just speak." : "Once you are connected, just speak.";
}

function interruption({ text, estimated }: Turn): string {
  if (text === "") return "Interrupted before anything was heard.";
  return estimated ? "Interrupted about here." : "Interrupted.";
}

function nothingYet({ role, missing, interrupted }: Turn, over: boolean): string {
  if (interrupted) return "(nothing)";
  if (missing === "failed") return "Could not be written down.";
  if (missing === "late") return "Is written down late.";
  if (over) return "No words are kept.";
  return role === "user" ? "Being written down …" : "…";
}

/** What is left of a text after its beginning; all of it, if it begins otherwise. */
function rest(beginning: string, whole: string): string {
  return whole.startsWith(beginning) ? whole.slice(beginning.length).trim() : whole;
}

function useEndInSight(follows: boolean, view: View) {
  const end = useRef<HTMLDivElement>(null);
  const inSight = useRef(true);
  useEffect(() => {
    if (!follows || !end.current) return;
    const observer = new IntersectionObserver(
      ([entry]) => (inSight.current = entry?.isIntersecting ?? true),
      { rootMargin: "160px" },
    );
    observer.observe(end.current);
    return () => observer.disconnect();
  }, [follows]);
  useEffect(() => {
    if (follows && inSight.current) end.current?.scrollIntoView({ block: "nearest" });
  }, [view]);
  return end;
}
