import { useEffect, useRef, useState } from "preact/hooks";
import { announcements } from "../log/spoken";
import { NOTHING, type View } from "../log/view";

/** Reads out what happens, politely, and never a piece of a sentence. */
export function Announcer({ view, own = false }: { view: View; own?: boolean }) {
  const before = useRef(NOTHING);
  const [said, say] = useState<readonly { readonly key: number; readonly text: string }[]>([]);
  useEffect(() => {
    const news = announcements(before.current, view, own);
    before.current = view;
    if (news.length === 0) return;
    say((old) => {
      const next = (old.at(-1)?.key ?? 0) + 1;
      return [...old, ...news.map((text, index) => ({ key: next + index, text }))].slice(-3);
    });
  }, [view]);
  return (
    <div class="unseen" role="log" aria-label="Announcements" aria-live="polite">
      {said.map(({ key, text }) => (
        <p key={key}>{text}</p>
      ))}
    </div>
  );
}
