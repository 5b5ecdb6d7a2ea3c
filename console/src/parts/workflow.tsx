import { useRef, useState } from "preact/hooks";
import { spots, type Spot } from "../picture/tree";
import type { Workflow } from "../picture/workflow";
import { useStore } from "../store";
import { duration } from "../words";
import { ExecutionDetails } from "./execution";
import { Mark } from "./mark";

const ROW = 48;
const COLUMN = 20;
const LEFT = 18;

/** The picture of a workflow: each execution below the one that called it. */
export function WorkflowPart({ workflow }: { workflow: Workflow }) {
  const placed = spots(useStore(workflow.executions));
  const [chosen, choose] = useState("");
  const spot = placed.find(({ executionId }) => executionId === chosen);
  return (
    <section class="panel workflow" aria-labelledby="workflow">
      <h2 id="workflow">Workflow</h2>
      {placed.length ? (
        <Picture placed={placed} chosen={chosen} choose={choose} />
      ) : (
        <p class="quiet">What runs because of this call appears here.</p>
      )}
      {spot && <ExecutionDetails key={spot.executionId} spot={spot} server={workflow.server} />}
    </section>
  );
}

interface PictureProps {
  readonly placed: readonly Spot[];
  readonly chosen: string;
  choose(executionId: string): void;
}

function Picture({ placed, chosen, choose }: PictureProps) {
  const tree = useRef<SVGSVGElement>(null);
  const [current, setCurrent] = useState(0);
  const go = (row: number) => {
    const to = Math.min(Math.max(row, 0), placed.length - 1);
    setCurrent(to);
    tree.current?.querySelectorAll<SVGGElement>("[role=treeitem]")[to]?.focus();
  };
  const keys = (event: KeyboardEvent, spot: Spot) => {
    const to = rowAfter(event.key, spot, placed);
    if (to !== undefined) go(to);
    else if (event.key === "Enter" || event.key === " ") choose(spot.executionId);
    else return;
    event.preventDefault();
  };
  const label = "Executions, each below the one that called it";
  return (
    <svg class="picture" role="tree" aria-label={label} height={placed.length * ROW} ref={tree}>
      {placed.map((spot) => (
        <g
          key={spot.executionId}
          role="treeitem"
          class="spot"
          aria-level={spot.column + 1}
          aria-selected={spot.executionId === chosen}
          aria-label={`${spot.target} ${told(spot)}`}
          tabindex={spot.row === Math.min(current, placed.length - 1) ? 0 : -1}
          data-status={spot.status}
          onClick={() => {
            setCurrent(spot.row);
            choose(spot.executionId);
          }}
          onKeyDown={(event) => keys(event, spot)}
        >
          <Node spot={spot} />
        </g>
      ))}
      {placed.map((spot) => (
        <Connector key={`to ${spot.executionId}`} spot={spot} />
      ))}
    </svg>
  );
}

function Node({ spot }: { spot: Spot }) {
  const [x, y] = place(spot);
  return (
    <>
      <rect class="ground" y={y - 22} height={44} rx={8} />
      <Mark status={spot.status} x={x} y={y} />
      <foreignObject x={x + 20} y={y - 18} width="100%" height={40}>
        <div class="label name" style={{ maxWidth: `calc(100% - ${x + 24}px)` }}>
          {spot.target}
        </div>{" "}
        <div class="label told">{told(spot)}</div>
      </foreignObject>
    </>
  );
}

function Connector({ spot }: { spot: Spot }) {
  if (spot.parentRow === undefined) return null;
  const [x, y] = place(spot);
  const from = x - COLUMN;
  const top = spot.parentRow * ROW + ROW / 2 + 10;
  return <path class="connector" d={`M${from} ${top}V${y - 8}q0 8 8 8H${x - 10}`} />;
}

function place(spot: Spot): readonly [x: number, y: number] {
  return [LEFT + Math.min(spot.column, 8) * COLUMN, spot.row * ROW + ROW / 2];
}

function told(spot: Spot): string {
  const time = spot.durationMs !== undefined && isOver(spot) ? `, ${duration(spot.durationMs)}` : "";
  return `${spot.status}${time}`;
}

function isOver({ status }: Spot): boolean {
  return status !== "queued" && status !== "running";
}

function rowAfter(key: string, spot: Spot, placed: readonly Spot[]): number | undefined {
  switch (key) {
    case "ArrowDown":
      return spot.row + 1;
    case "ArrowUp":
      return spot.row - 1;
    case "ArrowLeft":
      return spot.parentRow ?? spot.row;
    case "ArrowRight":
      return placed[spot.row + 1]?.parentRow === spot.row ? spot.row + 1 : spot.row;
    case "Home":
      return 0;
    case "End":
      return placed.length - 1;
    default:
      return undefined;
  }
}
