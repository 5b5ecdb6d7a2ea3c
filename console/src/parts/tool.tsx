import type { ToolCall, ToolStatus } from "../log/tools";
import { duration } from "../words";
import { Json } from "./json";
import { InlineMark } from "./mark";

const STATUSES: Record<ToolStatus, string> = {
  called: "called",
  running: "running",
  refused: "refused",
  succeeded: "succeeded",
  failed: "failed",
  cancelled: "cancelled",
  timeout: "timed out",
};

/** One call of a tool: what it is called with, what comes of it, and how long it takes. */
export function ToolPart({ call }: { call: ToolCall }) {
  const time = call.durationMs === undefined ? "" : ` in ${duration(call.durationMs)}`;
  return (
    <li class="tool" data-status={call.status}>
      <p class="head">
        <InlineMark status={call.status} />
        <span>
          {call.source === "client" ? "The page called " : "Tool "}
          <strong>{call.name}</strong> {STATUSES[call.status]}
          {time}
        </span>
      </p>
      {call.error && <p class="aside">{call.error}</p>}
      <details>
        <summary>
          Input and result<span class="unseen"> of {call.name}</span>
        </summary>
        <Json name="Input" value={call.input} />
        {call.output === undefined ? (
          <p class="quiet">
            {call.source === "client" ? "The workflow has its result." : "No result yet."}
          </p>
        ) : (
          <Json name="Result" value={call.output} />
        )}
        {call.target && <p class="quiet target">{call.target}</p>}
      </details>
    </li>
  );
}
