/** What the address of the page asks for. */

export type Wish =
  | { readonly kind: "choose" }
  /** Talk to this target, with a start token. */
  | { readonly kind: "talk"; readonly target: string; readonly startToken: string }
  /** Read this session. */
  | { readonly kind: "read"; readonly sessionId: string };

/** Read a fragment: `#target=…&start_token=…` or `#session=…`. */
export function wishOf(fragment: string): Wish {
  const members = new URLSearchParams(fragment.replace(/^#/, ""));
  const [target, startToken] = [members.get("target"), members.get("start_token")];
  if (target) return { kind: "talk", target, startToken: startToken ?? "" };
  const sessionId = members.get("session");
  return sessionId ? { kind: "read", sessionId } : { kind: "choose" };
}

/**
 * Return whether this looks like a start token. What does not is shown to no server: it may be a
 * key, which no page is to hold, and a server without keys would take no notice of it.
 */
export function isStartToken(text: string): boolean {
  return text.startsWith("afs_");
}

/** Read the address once, and take a token out of it and of the history at once. */
export function takeWish(): Wish {
  const fragment = location.hash;
  if (/token/.test(fragment)) history.replaceState(null, "", location.pathname);
  return wishOf(fragment);
}

export function addressOf(sessionId: string): string {
  return `#session=${encodeURIComponent(sessionId)}`;
}
