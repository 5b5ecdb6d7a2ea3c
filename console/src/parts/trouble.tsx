import { useEffect, useRef } from "preact/hooks";
import type { Trouble } from "../server/failures";
import { useNow } from "./now";

/** What went wrong and what to do about it. It takes the focus, so that nobody misses it. */
export function TroublePart({ trouble }: { trouble: Trouble }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => box.current?.focus(), [trouble]);
  return (
    <div class="trouble" role="alert" tabIndex={-1} ref={box}>
      <p class="title">{trouble.title}</p>
      <p>{trouble.advice}</p>
      {trouble.retryAt !== undefined && <Wait until={trouble.retryAt} />}
      {trouble.detail && <p class="detail">The message: {trouble.detail}</p>}
    </div>
  );
}

function Wait({ until }: { until: number }) {
  const left = Math.ceil((until - useNow(1000)) / 1000);
  return (
    <p role="timer">{left > 0 ? `It is worth trying again in ${left} s.` : "You can try again now."}</p>
  );
}
