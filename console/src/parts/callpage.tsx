import { useEffect } from "preact/hooks";
import type { Call, CallState } from "../call/call";
import { useStore } from "../store";
import { Announcer } from "./announcer";
import { Conversation } from "./conversation";
import { End } from "./end";
import { Stage } from "./stage";
import { TroublePart } from "./trouble";
import { WorkflowPart } from "./workflow";

interface Props {
  readonly call: Call;
  again(): void;
  close(): void;
}

/** A call, from the button that was pressed until it is put away. */
export function CallPage({ call, again, close }: Props) {
  const state = useStore(call.state);
  const workflow = useStore(call.workflow);
  const meters = useStore(call.meters);
  const { view, phase } = state;
  const over = phase === "over" || view.state === "ended";
  useEffect(() => {
    document.title = `${over ? "Ended" : "Call"}: ${state.target}`;
  }, [over]);
  const doing = doingOf(state);
  return (
    <div class="session">
      <Stage view={view} target={state.target} {...doing} own meters={meters} muted={state.muted}>
        {!over && (
          <>
            <button
              type="button"
              aria-pressed={state.muted}
              onClick={() => call.mute(!state.muted)}
              disabled={phase === "microphone"}
            >
              Mute
            </button>
            <button
              type="button"
              class="danger"
              onClick={() => call.hangUp()}
              disabled={state.hungUp}
            >
              Hang up
            </button>
          </>
        )}
      </Stage>
      {state.trouble && <TroublePart trouble={state.trouble} />}
      {!state.watched && !over && <Away />}
      {state.unheard && !over && <Unheard />}
      {over && (
        <End view={view} own>
          <button type="button" class="primary" onClick={again}>
            Call again
          </button>
          <button type="button" onClick={close}>
            Close
          </button>
        </End>
      )}
      <Announcer view={view} own />
      <div class="columns">
        <Conversation view={view} own follows={!over} />
        {workflow && <WorkflowPart workflow={workflow} />}
      </div>
    </div>
  );
}

function Unheard() {
  return (
    <p class="banner" role="status">
      The microphone is gone: the agent hears nothing. Connect it and call again.
    </p>
  );
}

function Away() {
  return (
    <p class="banner" role="status">
      The connection to the server is lost. The call itself goes on; the page catches up as soon as
      the server is back.
    </p>
  );
}

function doingOf({ phase, hungUp, view }: CallState): { doing?: string } {
  if (view.state === "ended") return {};
  if (phase === "microphone") return { doing: "Waiting for the microphone" };
  if (phase === "starting") return { doing: "Starting" };
  if (phase === "over") return { doing: "Over" };
  return hungUp ? { doing: "Hanging up" } : {};
}
