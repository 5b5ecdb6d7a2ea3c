import { useEffect, useState } from "preact/hooks";
import { choices, type Choice } from "../choices";
import { Server } from "../server/api";
import { Failure, troubleOf, type Trouble } from "../server/failures";
import { PastSessions } from "./past";
import { TroublePart } from "./trouble";

const EVERY_MS = 5000;
const EXAMPLES = ["orders", "voice"]
  .map((name) => `.venv/bin/python examples/${name}_agent.py`)
  .join("\n");
const OPEN_SERVER = new Server("");

interface Props {
  /** The target that was chosen before, or by the address. */
  readonly target: string;
  readonly trouble: Trouble | undefined;
  talk(target: string): void;
}

/** Choose whom to talk to, of everything there is: for servers without keys. */
export function Choose({ target, trouble, talk }: Props) {
  const { found, problem } = useChoices();
  const [wanted, want] = useState(target);
  const possible = found?.filter((each) => !each.obstacle) ?? [];
  const chosen = possible.find((each) => each.target === wanted) ?? possible[0];
  useEffect(() => {
    document.title = "AgentField Sessions";
  }, []);
  const submit = (event: Event) => {
    event.preventDefault();
    if (chosen) talk(chosen.target);
  };
  return (
    <div class="choose">
      <h1 tabIndex={-1}>Talk to an agent</h1>
      {found && found.length > 0 && (
        <p>Choose a session, start the call and speak. Your browser will ask for the microphone.</p>
      )}
      {trouble && <TroublePart trouble={trouble} />}
      {problem && !found && !trouble && <TroublePart trouble={problem} />}
      {problem && found && !trouble && (
        <p class="banner" role="status">
          {problem.title}. This list is as it was.
        </p>
      )}
      {!found && !problem && <p class="quiet">Looking for agents …</p>}
      {found?.length === 0 && <NoAgents />}
      {found && found.length > 0 && (
        <form onSubmit={submit}>
          <fieldset>
            <legend>Sessions that agents offer here</legend>
            {found.map((each) => (
              <ChoicePart
                key={each.target}
                choice={each}
                checked={each === chosen}
                choose={() => want(each.target)}
              />
            ))}
          </fieldset>
          <div class="go">
            <button type="submit" class="primary large" disabled={!chosen}>
              Start call
            </button>
          </div>
        </form>
      )}
      {found && <PastSessions server={OPEN_SERVER} />}
    </div>
  );
}

/** The one target that a link with a start token is for. */
export function Invitation({ target, trouble, talk }: Props) {
  useEffect(() => {
    document.title = `Talk to ${target}`;
  }, [target]);
  const submit = (event: Event) => {
    event.preventDefault();
    talk(target);
  };
  return (
    <div class="choose">
      <h1 tabIndex={-1}>Talk to {target}</h1>
      {trouble && <TroublePart trouble={trouble} />}
      <form onSubmit={submit}>
        <p>You were invited to this call. Your browser will ask for the microphone.</p>
        <button type="submit" class="primary large">
          Start call
        </button>
      </form>
    </div>
  );
}

type ChoiceProps = { choice: Choice; checked: boolean; choose(): void };

function ChoicePart({ choice, checked, choose }: ChoiceProps) {
  const { target, obstacle, caution } = choice;
  const about = `about-${target}`;
  return (
    <div class="choice" data-possible={!obstacle}>
      <input
        type="radio"
        name="target"
        id={target}
        value={target}
        checked={checked}
        disabled={Boolean(obstacle)}
        aria-describedby={about}
        onChange={choose}
      />
      <div>
        <label for={target}>{target}</label>
        <div id={about}>
          <p class="facts">{choice.facts.join(" · ")}</p>
          {choice.description && <p>{choice.description}</p>}
          {(obstacle || caution) && <p class="aside">{obstacle || caution}</p>}
        </div>
      </div>
    </div>
  );
}

function NoAgents() {
  return (
    <section class="panel first" aria-labelledby="first">
      <h2 id="first">No agent offers a session here yet</h2>
      <p>
        An agent is a program of yours that tells this server what it offers. These two of the
        repository belong together, the second asks the first; start each in a terminal of its own:
      </p>
      <pre>
        <code>{EXAMPLES}</code>
      </pre>
      <p class="quiet">What they offer appears here by itself.</p>
    </section>
  );
}

function useChoices() {
  const [found, show] = useState<readonly Choice[] | undefined>();
  const [problem, tell] = useState<Trouble | undefined>();
  useEffect(() => {
    let current = true;
    const look = async () => {
      if (document.visibilityState === "hidden") return;
      try {
        const [nodes, pairs] = await Promise.all([OPEN_SERVER.nodes(), OPEN_SERVER.pairs()]);
        if (!current) return;
        show(choices(nodes, pairs));
        tell(undefined);
      } catch (error) {
        if (current) tell((old) => (old ? old : problemOf(error)));
      }
    };
    void look();
    const timer = setInterval(() => void look(), EVERY_MS);
    return () => {
      current = false;
      clearInterval(timer);
    };
  }, []);
  return { found, problem };
}

function problemOf(error: unknown): Trouble {
  if (!(error instanceof Failure) || error.status !== 401) return troubleOf(error);
  return {
    title: "This server asks for a key, and this page takes none",
    advice:
      "Open it with a link that is made for one session: whoever has a key gets one with “af session link <node>.<session>”.",
  };
}
