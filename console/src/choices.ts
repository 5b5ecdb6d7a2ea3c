/** What there is to talk to, and what of it this page can do. */

import type { Declaration, Node, Pair } from "./server/api";

export interface Choice {
  readonly target: string;
  readonly description: string;
  /** Provider, transport and modalities. */
  readonly facts: readonly string[];
  /** Why it cannot be called from here. Empty: it can. */
  readonly obstacle: string;
  /** What may stand in the way, but need not. */
  readonly caution: string;
}

/** Return all declared sessions of all nodes, those that can be called first. */
export function choices(nodes: readonly Node[], pairs: readonly Pair[]): Choice[] {
  const all = nodes.flatMap((node) =>
    (node.sessions ?? []).map((declaration) => choice(node, declaration, pairs)),
  );
  return [...all.filter((each) => !each.obstacle), ...all.filter((each) => each.obstacle)];
}

function choice(node: Node, declaration: Declaration, pairs: readonly Pair[]): Choice {
  const { name = "", provider = "", transport = "", modalities = [], model = "" } = declaration;
  const spoken = modalities.length ? modalities.join(" and ") : "audio and text";
  return {
    target: `${node.node_id ?? ""}.${name}`,
    description: node.description ?? "",
    facts: [provider, transport, spoken, ...(model ? [model] : [])],
    obstacle: obstacle(provider, transport, pairs),
    caution: node.connected === false ? "Its agent is not connected." : "",
  };
}

function obstacle(provider: string, transport: string, pairs: readonly Pair[]): string {
  const pair = pairs.find((each) => each.provider === provider && each.transport === transport);
  if (!pair?.served) return `This server does not serve ${provider} over ${transport}.`;
  return transport === "webrtc" ? "" : `This page talks over webrtc, not over ${transport}.`;
}
