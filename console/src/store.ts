import { useEffect, useState } from "preact/hooks";

/** A value that changes, and those who show it. */
export class Store<T> {
  private readonly readers = new Set<(value: T) => void>();

  constructor(private current: T) {}

  get value(): T {
    return this.current;
  }

  set(value: T): void {
    if (Object.is(value, this.current)) return;
    this.current = value;
    for (const reader of [...this.readers]) reader(value);
  }

  follow(reader: (value: T) => void): () => void {
    this.readers.add(reader);
    return () => this.readers.delete(reader);
  }
}

/** Show a store's value in a component, as it is and as it becomes. */
export function useStore<T>(store: Store<T>): T {
  const [value, show] = useState(store.value);
  useEffect(() => {
    show(store.value);
    return store.follow((next) => show(next));
  }, [store]);
  return value;
}
