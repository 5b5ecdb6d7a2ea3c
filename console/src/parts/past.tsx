import { useEffect, useState } from "preact/hooks";
import type { Server, Session } from "../server/api";
import { troubleOf } from "../server/failures";
import { addressOf } from "../server/link";
import { clock, endReason, STATES } from "../words";

const TIME = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

/** The sessions there were, the newest first, each to be opened. */
export function PastSessions({ server }: { server: Server }) {
  const [found, show] = useState<readonly Session[] | undefined>();
  const [next, goOn] = useState("");
  const [problem, tell] = useState("");
  const more = async (page: string) => {
    try {
      const { sessions = [], next_page_token: token = "" } = await server.sessions(page);
      show((old = []) => [...old, ...sessions]);
      goOn(token);
      tell("");
    } catch (error) {
      tell(troubleOf(error).title);
    }
  };
  useEffect(() => void more(""), [server]);
  return (
    <section class="past" aria-labelledby="past">
      <h2 id="past">Past sessions</h2>
      {found?.length === 0 && !problem && <p class="quiet">There were none yet.</p>}
      <ul>
        {found?.map((session) => (
          <li key={session.session_id}>
            <a href={addressOf(session.session_id ?? "")}>
              <span class="target">{session.target}</span>
              <span>{TIME.format(Date.parse(session.created_at ?? ""))}</span>
              <span class="quiet">{outcome(session)}</span>
            </a>
          </li>
        ))}
      </ul>
      {problem && <p role="status">{problem}</p>}
      {next && (
        <button type="button" onClick={() => void more(next)}>
          Show more
        </button>
      )}
    </section>
  );
}

function outcome({ state = "pending", end_reason, live_at, ended_at }: Session): string {
  if (state !== "ended") return STATES[state];
  const time = live_at && ended_at ? `${clock(Date.parse(ended_at) - Date.parse(live_at))} · ` : "";
  return `${time}${endReason(end_reason ?? "")}`;
}
