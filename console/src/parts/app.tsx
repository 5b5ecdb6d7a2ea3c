import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Call } from "../call/call";
import { NOT_VALID, type Trouble } from "../server/failures";
import { isStartToken, takeWish, type Wish } from "../server/link";
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
  const talk = (target: string, token: string) => {
    call?.close();
    take(undefined);
    if (token && !isStartToken(token)) return tell({ ...NOT_VALID });
    tell(undefined);
    const placed = new Call(target, token);
    take(placed);
    void placed.begin();
  };
  useEffect(() => {
    // A call that goes on is not left for another address; one that is over is.
    if (!call || (call.goesOn && call.state.value.view.state !== "ended")) return;
    call.close();
    take(undefined);
  }, [wish]);
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
    const again = () => talk(target, call.startToken);
    return <CallPage key={call} call={call} again={again} close={close} />;
  }
  if (wish.kind === "read") return <Reader key={wish.sessionId} sessionId={wish.sessionId} />;
  const target = wish.kind === "talk" ? wish.target : "";
  const Chooser = startToken ? Invitation : Choose;
  const start = (chosen: string) => talk(chosen, startToken);
  return <Chooser key={target} target={target} trouble={trouble} talk={start} />;
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
  // At once: an address that comes before the first paint would keep its token else.
  useLayoutEffect(() => {
    const read = () => change(takeWish());
    const home = document.querySelector("header a");
    // Where the address says nothing already, the link changes nothing of it.
    const begin = () => location.hash || change((old) => (old.kind === "choose" ? { ...old } : old));
    addEventListener("hashchange", read);
    home?.addEventListener("click", begin);
    return () => {
      removeEventListener("hashchange", read);
      home?.removeEventListener("click", begin);
    };
  }, []);
  return wish;
}
