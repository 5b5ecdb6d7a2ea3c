/** What is read out to those who do not see the page: whole sentences, and no pieces of them. */

import { endReason } from "../words";
import type { ToolCall } from "./tools";
import type { Turn } from "./turns";
import type { View } from "./view";

/** Return what to read out of the step from one view to the next. */
export function announcements(before: View, now: View, own: boolean): string[] {
  const said: string[] = [];
  if (now.state !== before.state) said.push(...aboutState(now, own));
  if (now.linkLost && !before.linkLost) said.push("The server lost its link to the provider.");
  for (const [itemId, turn] of now.turns.turns) {
    const old = before.turns.turns.get(itemId);
    const words = turn === old ? "" : aboutTurn(turn, own);
    if (words && words !== aboutTurn(old, own)) said.push(words);
  }
  for (const [key, call] of now.tools) {
    if (call.status !== before.tools.get(key)?.status) said.push(...aboutTool(call));
  }
  return said;
}

function aboutState({ state, endReason: reason }: View, own: boolean): string[] {
  if (state === "live") return [own ? "Connected. You can speak." : "Connected."];
  return state === "ended" ? [`The call has ended. ${endReason(reason, own)}`] : [];
}

function aboutTurn(turn: Turn | undefined, own: boolean): string {
  if (!turn?.finished) return "";
  if (turn.role === "user") return turn.text ? `${own ? "You" : "Caller"}: ${turn.text}` : "";
  return `Agent: ${turn.text ?? ""}${turn.interrupted ? " (interrupted)" : ""}`;
}

function aboutTool({ name, status }: ToolCall): string[] {
  return status === "running" || status === "called" ? [] : [`Tool ${name} ${status}.`];
}
