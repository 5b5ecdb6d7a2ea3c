/** The executions of one workflow, looked at again while they change. */

import type { LogEvent } from "../log/events";
import type { ExecutionEntry, Server } from "../server/api";
import { Failure } from "../server/failures";
import { Store } from "../store";

/** What calls what below a tool is in no session's log: it is asked for so often. */
const EVERY_MS = 2000;
const SOON_MS = 150;
/** After the end, a handler may go on for a while. */
const AFTER_END_MS = 40_000;

export class Workflow {
  readonly executions = new Store<readonly ExecutionEntry[]>([]);
  private timer: ReturnType<typeof setTimeout> | undefined;
  private until = Infinity;
  private asking = false;
  private again = false;

  constructor(
    readonly server: Server,
    private readonly runId: string,
  ) {
    this.in(SOON_MS);
  }

  /** Take in events of the session, which may have changed it; `ended`: the last is among them. */
  took(events: readonly LogEvent[], ended: boolean): void {
    if (!events.some(({ type }) => /^(session|handler|tool)\./.test(type))) return;
    if (ended && this.until === Infinity) this.until = Date.now() + AFTER_END_MS;
    if (this.asking) this.again = true;
    else this.in(SOON_MS);
  }

  close(): void {
    this.until = 0;
    clearTimeout(this.timer);
  }

  private in(milliseconds: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.ask(), milliseconds);
  }

  private async ask(): Promise<void> {
    this.asking = true;
    try {
      const found = await this.server.workflow(this.runId);
      if (JSON.stringify(found) !== JSON.stringify(this.executions.value)) {
        this.executions.set(found);
      }
    } catch (error) {
      if (error instanceof Failure && [401, 403, 404].includes(error.status)) this.until = 0;
    } finally {
      this.asking = false;
    }
    if (this.until === 0) return;
    const again = this.again;
    this.again = false;
    if (again) this.in(SOON_MS);
    else if (this.isUnfinished()) this.in(EVERY_MS);
  }

  private isUnfinished(): boolean {
    const active = this.executions.value.some(
      ({ status }) => status === "queued" || status === "running",
    );
    return Date.now() < this.until && (active || this.until === Infinity);
  }
}
