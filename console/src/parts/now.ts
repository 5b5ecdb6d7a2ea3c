import { useEffect, useState } from "preact/hooks";

/** The time, in milliseconds since the epoch, as it passes; 0 pause: it stands still. */
export function useNow(pause: number): number {
  const [now, pass] = useState(Date.now());
  useEffect(() => {
    if (!pause) return;
    const timer = setInterval(() => pass(Date.now()), pause);
    return () => clearInterval(timer);
  }, [pause]);
  return now;
}
