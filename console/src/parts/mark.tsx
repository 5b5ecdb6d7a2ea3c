/** The sign of an execution's status: a shape of its own for each, not a colour alone. */
export function Mark({ status, x, y }: { status: string; x: number; y: number }) {
  return (
    <g class="mark" data-status={status} transform={`translate(${x} ${y})`}>
      {shapeOf(status)}
    </g>
  );
}

/** The same sign beside text. */
export function InlineMark({ status }: { status: string }) {
  return (
    <svg class="inline-mark" width="20" height="20" viewBox="-10 -10 20 20" aria-hidden="true">
      <Mark status={status} x={0} y={0} />
    </svg>
  );
}

function shapeOf(status: string) {
  switch (status) {
    case "queued":
    case "called":
      return <circle class="hollow" r="7.5" />;
    case "running":
      return (
        <>
          <circle class="hollow" r="7.5" />
          <circle class="dot" r="3.5" />
        </>
      );
    case "succeeded":
      return (
        <>
          <circle class="full" r="8.5" />
          <path class="sign" d="M-4 0l3 3 5-6" />
        </>
      );
    case "failed":
    case "refused":
      return (
        <>
          <path class="full" d="M0-9.5 9.5 0 0 9.5-9.5 0z" />
          <path class="sign" d="M-2.8-2.8l5.6 5.6m0-5.6l-5.6 5.6" />
        </>
      );
    case "timeout":
      return (
        <>
          <path class="full" d="M-4.5-8.5h9l4.5 8.5-4.5 8.5h-9L-9 0z" />
          <path class="sign" d="M0-4.5V0l3 2.5" />
        </>
      );
    default:
      return (
        <>
          <rect class="full" x="-8" y="-8" width="16" height="16" rx="3" />
          <path class="sign" d="M-4 0h8" />
        </>
      );
  }
}
