/** Where each execution of a workflow stands in its picture. */

import type { ExecutionEntry } from "../server/api";
import type { ExecutionStatus } from "../words";

export interface Spot {
  readonly executionId: string;
  readonly target: string;
  readonly status: ExecutionStatus;
  readonly durationMs?: number;
  readonly startedAt?: number;
  /** Row and column, from 0: a row for each, a column for each depth. */
  readonly row: number;
  readonly column: number;
  /** The row of what called it. Undefined: nothing did. */
  readonly parentRow?: number;
}

/** Return a spot for each execution, in the order in which they are shown. */
export function spots(executions: readonly ExecutionEntry[]): Spot[] {
  const known = new Set(executions.map((execution) => execution.execution_id));
  const called = new Map<string, ExecutionEntry[]>();
  for (const execution of executions) {
    const parent = execution.parent_execution_id ?? "";
    const key = known.has(parent) ? parent : "";
    called.set(key, [...(called.get(key) ?? []), execution]);
  }
  const found: Spot[] = [];
  const place = (execution: ExecutionEntry, column: number, parentRow?: number): void => {
    const row = found.length;
    found.push(spotOf(execution, row, column, parentRow));
    for (const child of called.get(execution.execution_id ?? "") ?? []) {
      place(child, column + 1, row);
    }
  };
  for (const root of called.get("") ?? []) place(root, 0);
  return found;
}

function spotOf(
  execution: ExecutionEntry,
  row: number,
  column: number,
  parentRow: number | undefined,
): Spot {
  const duration = execution.duration_ms;
  return {
    executionId: execution.execution_id ?? "",
    target: execution.target ?? `${execution.agent_node_id}.${execution.reasoner_id}`,
    status: execution.status ?? "queued",
    ...(duration === undefined ? {} : { durationMs: duration }),
    ...(execution.started_at ? { startedAt: Date.parse(execution.started_at) } : {}),
    row,
    column,
    ...(parentRow === undefined ? {} : { parentRow }),
  };
}
