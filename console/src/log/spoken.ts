/** What is read out to those who do not see the page: whole sentences, and no pieces of them. */

import { endReason } from "../words";
import type { ToolCall } from "./tools";
import type { Turn } from "./turns";
import type { View } from "./view";

/** Return what to read out of the step from one view to the next. */
export function announcements(before: View, now: View): string[] {
  const said: string[] = [];
  if (now.state !== before.state) said.push(...aboutState(now));
  if (now.linkLost && !before.linkLost) said.push("The server lost its link to the provider.");
  for (const [itemId, turn] of now.turns.turns) {
    const words = turn === before.turns.turns.get(itemId) ? "" : aboutTurn(turn);
    if (words && words !== aboutTurn(before.turns.turns.get(itemId))) said.push(words);
  }
  for (const [key, call] of now.tools) {
    if (call.status !== before.tools.get(key)?.status) said.push(...aboutTool(call));
  }
  return said;
}

function aboutState({ state, endReason: reason }: View): string[] {
  if (state === "live") return ["Connected. You can speak."];
  return state === "ended" ? [`The call has ended. ${endReason(reason)}`] : [];
}

function aboutTurn(turn: Turn | undefined): string {
  if (!turn?.finished) return "";
  if (turn.role === "user") return turn.text ? `You: ${turn.text}` : "";
  return `Agent: ${turn.text ?? ""}${turn.interrupted ? " (interrupted)" : ""}`;
}

function aboutTool({ name, status }: ToolCall): string[] {
  return status === "running" || status === "called" ? [] : [`Tool ${name} ${status}.`];
}
