import { useMemo } from "preact/hooks";
import { readable } from "../words";

/** A value as indented text, under its name. */
export function Json({ name, value }: { name: string; value: unknown }) {
  const text = useMemo(() => readable(value), [value]);
  if (!text) return null;
  return (
    <figure class="json">
      <figcaption>{name}</figcaption>
      {/* It may be longer than the window: then it is scrolled, by the keyboard, too. */}
      <pre dir="auto" tabIndex={0} role="group" aria-label={name}>
        {text}
      </pre>
    </figure>
  );
}
