import { useEffect, useRef, useState } from "preact/hooks";
import { Call } from "../call/call";
import type { Trouble } from "../server/failures";
import { takeWish, type Wish } from "../server/link";
import { CallPage } from "./callpage";
import { Choose, Invitation } from "./choose";
import { Reader } from "./reader";

/** The whole page: choose, call, read. */
export function App({ first }: { first: Wish }) {
  const wish = useWish(first);
  const [call, take] = useState<Call | undefined>();
  useFocusOnChange(wish, call);
  const [trouble, tell] = useState<Trouble | undefined>();
  const startToken = wish.kind === "talk" ? wish.startToken : "";
  const talk = (target: string) => {
    call?.close();
    tell(undefined);
    const placed = new Call(target, startToken);
    take(placed);
    void placed.begin();
  };
  useEffect(() => {
    if (!call) return;
    const leave = () => call.leave();
    addEventListener("pagehide", leave);
    const unfollow = call.state.follow(({ phase, sessionId, trouble: problem }) => {
      // Without a session there is nothing to show of it, but why.
      if (phase !== "over" || sessionId) return;
      tell(problem);
      take(undefined);
    });
    return () => {
      removeEventListener("pagehide", leave);
      unfollow();
    };
  }, [call]);
  if (call) {
    const close = () => {
      call.close();
      take(undefined);
    };
    const { target } = call.state.value;
    return <CallPage key={call} call={call} again={() => talk(target)} close={close} />;
  }
  if (wish.kind === "read") return <Reader key={wish.sessionId} sessionId={wish.sessionId} />;
  const target = wish.kind === "talk" ? wish.target : "";
  const Chooser = startToken ? Invitation : Choose;
  return <Chooser key={target} target={target} trouble={trouble} talk={talk} />;
}

/** Begin at the top of each new screen, but for what went wrong, which has the focus then. */
function useFocusOnChange(...screen: readonly unknown[]): void {
  const isFirst = useRef(true);
  useEffect(() => {
    const wasFirst = isFirst.current;
    isFirst.current = false;
    if (wasFirst || document.activeElement?.closest("[role=alert]")) return;
    document.querySelector<HTMLElement>("main h1")?.focus();
  }, screen);
}

function useWish(first: Wish): Wish {
  const [wish, change] = useState(first);
  useEffect(() => {
    const read = () => change(takeWish());
    addEventListener("hashchange", read);
    return () => removeEventListener("hashchange", read);
  }, []);
  return wish;
}
