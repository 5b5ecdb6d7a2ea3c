/** Server-sent events from a stream of text: what EventSource does, which cannot send a token. */

export interface Message {
  readonly event: string;
  readonly data: string;
}

/** A parser that is fed with pieces of text, cut anywhere, and returns the messages they complete. */
export class Parser {
  private rest = "";
  private event = "";
  private data: string[] = [];

  feed(text: string): Message[] {
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    const messages: Message[] = [];
    for (const line of lines) {
      if (line) this.field(line);
      else {
        if (this.data.length) messages.push({ event: this.event, data: this.data.join("\n") });
        this.event = "";
        this.data = [];
      }
    }
    return messages;
  }

  private field(line: string): void {
    const [name, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line)?.slice(1) ?? [];
    if (name === "event") this.event = value ?? "";
    if (name === "data") this.data.push(value ?? "");
  }
}

/**
 * Yield the messages of an answer, those that come together together, until it ends; tell of each
 * sign of life, messages or not.
 */
export async function* messagesOf(
  response: Response,
  alive: () => void,
): AsyncGenerator<Message[]> {
  const parser = new Parser();
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      alive();
      yield parser.feed(piece.value);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
