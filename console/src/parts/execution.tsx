import { useEffect, useState } from "preact/hooks";
import type { Spot } from "../picture/tree";
import type { Execution, Server } from "../server/api";
import { troubleOf } from "../server/failures";
import { duration } from "../words";
import { Json } from "./json";

/** What there is to know of one execution of the picture. */
export function ExecutionDetails({ spot, server }: { spot: Spot; server: Server }) {
  const [found, show] = useState<Execution | undefined>();
  const [problem, tell] = useState("");
  useEffect(() => {
    let current = true;
    server.execution(spot.executionId).then(
      (execution) => current && show(execution),
      (error: unknown) => current && tell(troubleOf(error).title),
    );
    return () => {
      current = false;
    };
  }, [spot.executionId, spot.status]);
  return (
    <section class="details" aria-label={`Execution ${spot.target}`}>
      <h3>{spot.target}</h3>
      <dl class="facts">
        <Fact name="Status" value={found?.status ?? spot.status} />
        {found?.duration_ms !== undefined && (
          <Fact name="Duration" value={duration(found.duration_ms)} />
        )}
        <Fact name="Kind" value={found?.kind ?? ""} />
        <Fact name="Id" value={spot.executionId} />
        {found?.instance_id && <Fact name="Worker" value={found.instance_id} />}
        {found?.error && <Fact name="Error" value={found.error} />}
      </dl>
      {problem && <p role="status">{problem}</p>}
      {found?.input !== undefined && <Json name="Input" value={found.input} />}
      {found?.result !== undefined && <Json name="Result" value={found.result} />}
    </section>
  );
}

export function Fact({ name, value }: { name: string; value: string }) {
  if (!value) return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
