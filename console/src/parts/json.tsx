import { readable } from "../words";

/** A value as indented text, under its name. */
export function Json({ name, value }: { name: string; value: unknown }) {
  const text = readable(value);
  if (!text) return null;
  return (
    <figure class="json">
      <figcaption>{name}</figcaption>
      <pre>{text}</pre>
    </figure>
  );
}
