import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { View } from "../log/view";
import { endReason } from "../words";

interface Props {
  readonly view: View;
  /** Whether it is the reader's own call: its end takes the focus then. */
  readonly own?: boolean;
  readonly children?: ComponentChildren;
}

/** Why a session is over, and what can be done next. */
export function End({ view, own = false, children }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    // What went wrong, if anything did, has taken it.
    if (own && !document.activeElement?.closest("[role=alert]")) heading.current?.focus();
  }, []);
  return (
    <section class="end" aria-labelledby="end">
      <div>
        <h2 id="end" tabIndex={-1} ref={heading}>
          The call has ended
        </h2>
        {view.endReason && <p>{endReason(view.endReason, own)}</p>}
        {view.endDetail && <p class="quiet">{view.endDetail}</p>}
      </div>
      <div class="controls">{children}</div>
    </section>
  );
}
