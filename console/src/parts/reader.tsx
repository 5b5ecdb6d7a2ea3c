import { useEffect, useMemo, useState } from "preact/hooks";
import type { LogEvent } from "../log/events";
import { after, NOTHING, type View } from "../log/view";
import { Workflow } from "../picture/workflow";
import { Server, type Session } from "../server/api";
import { troubleOf, type Trouble } from "../server/failures";
import { watch } from "../server/watch";
import { Announcer } from "./announcer";
import { Conversation } from "./conversation";
import { End } from "./end";
import { Stage } from "./stage";
import { TroublePart } from "./trouble";
import { WorkflowPart } from "./workflow";

/** A session, read from its log; of one that goes on, as it does. */
export function Reader({ sessionId }: { sessionId: string }) {
  const server = useMemo(() => new Server(""), []);
  const { view, session, workflow, trouble } = useSession(server, sessionId);
  useEffect(() => {
    document.title = `Session ${session?.target ?? sessionId}`;
  }, [session?.target]);
  return (
    <div class="session">
      <p>
        <a href="#">All sessions</a>
      </p>
      {trouble ? (
        <>
          <h1 class="unseen" tabIndex={-1}>
            Session {sessionId}
          </h1>
          <TroublePart trouble={trouble} />
        </>
      ) : (
        <>
          <Stage
            view={view}
            target={session?.target ?? "Session"}
            {...(view.state === "unknown" ? { doing: "Reading …" } : {})}
          />
          {view.state === "ended" ? <End view={view} /> : <Announcer view={view} />}
          {session?.deleted_at && (
            <p class="banner">Its words, inputs and results have been removed.</p>
          )}
          <div class="columns">
            <Conversation view={view} follows={false} />
            {workflow && <WorkflowPart workflow={workflow} />}
          </div>
        </>
      )}
    </div>
  );
}

function useSession(server: Server, sessionId: string) {
  const [view, show] = useState<View>(NOTHING);
  const [session, know] = useState<Session | undefined>();
  const [workflow, follow] = useState<Workflow | undefined>();
  const [trouble, tell] = useState<Trouble | undefined>();
  useEffect(() => {
    const leaving = new AbortController();
    let picture: Workflow | undefined;
    let current = NOTHING;
    const watcher = {
      events: (events: readonly LogEvent[]) => {
        current = events.reduce(after, current);
        show(current);
        picture?.took(events, current.state === "ended");
      },
      connected: () => undefined,
      over: (problem?: Trouble) => problem && tell(problem),
    };
    const read = async () => {
      try {
        const found = await server.session(sessionId);
        if (leaving.signal.aborted) return;
        know(found);
        follow((picture = new Workflow(server, found.run_id ?? "")));
        await watch(server, sessionId, watcher, leaving.signal);
      } catch (error) {
        tell(troubleOf(error));
      }
    };
    void read();
    return () => {
      leaving.abort();
      picture?.close();
    };
  }, [server, sessionId]);
  return { view, session, workflow, trouble };
}
