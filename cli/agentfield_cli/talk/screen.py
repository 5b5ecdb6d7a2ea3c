"""What is shown of a call while it goes on."""

from __future__ import annotations

__all__ = ["Screen", "ending"]

import sys
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import orjson

from agentfield.v1 import session_pb2 as pb
from agentfield_cli.exits import visible
from agentfield_cli.formats import Format
from agentfield_cli.output import emit
from agentfield_cli.session_text import labelled, one_line

if TYPE_CHECKING:
    # Only a terminal needs rich, and it takes a while to load.
    from rich.live import Live

_ENDS = {
    "client_hangup": "the caller hung up",
    "client_lost": "nobody watched the session any more",
    "client_tampering": "the client's side changed the conversation",
    "agent_ended": "the agent ended it",
    "api_ended": "somebody ended it from outside",
    "connect_timeout": "no call came about in time",
    "idle_timeout": "nobody spoke for too long",
    "max_duration": "it has lasted as long as it may",
    "provider_closed": "the provider ended the call",
    "provider_error": "the provider failed",
    "handler_failed": "the agent's handler failed",
    "agent_lost": "no worker of the agent is left",
    "internal_error": "something went wrong inside the control plane",
}


def ending(reason: str, detail: str) -> str:
    """Return in words why a session ended."""
    words = _ENDS.get(reason, visible(reason))
    return f"{words} ({one_line(detail)})" if detail else words


class Screen:
    """Shows a session's events: for people as lines, else each as ``output`` says.

    On a terminal the line that is being said is there before it is complete. A context manager.
    """

    def __init__(self, output: Format) -> None:
        self._output = output
        self._live: Live | None = None
        self._partial: dict[str, str] = {}
        """By the id of an item: what is known so far of what is said."""
        self._tools: dict[str, str] = {}
        """By the id of a call: its target, then also what it came to."""

    def __enter__(self) -> Self:
        if self._output is Format.TEXT and sys.stdout.isatty():
            from rich.live import Live

            self._live = Live(auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, event: pb.SessionEvent) -> None:
        """Show an event."""
        if self._output is not Format.TEXT:
            emit(event, self._output)
            return
        data = orjson.loads(event.data or b"{}")
        self._draw_partial(event.type, data)
        for line in self._lines(event.type, data):
            self._print(line)

    def note(self, name: str, text: str) -> None:
        """Tell what is no event: among the lines, or beside the data on stderr."""
        if self._output is Format.TEXT:
            self._print(labelled(name, visible(text)))
        else:
            print(f"note: {name} {visible(text)}", file=sys.stderr)

    def _lines(self, type_: str, data: Mapping[str, Any]) -> Iterator[str]:
        match type_:
            case "turn.transcribed":
                yield labelled("caller", one_line(data["text"]) or "(no words)")
            case "turn.failed" | "turn.timed_out":
                yield labelled("caller", "(not written down)")
            case "agent.heard":
                cut = "  (interrupted)" if data["interrupted"] else ""
                yield labelled("agent", (one_line(data["text"]) or "(nothing was heard)") + cut)
            case "handler.returned":
                yield labelled("handler", "has returned: the model leads")
            case "provider.lost":
                yield labelled("provider", "the link is lost; the call may go on")
            case "provider.error":
                told = filter(None, (data.get("code"), data.get("message")))
                yield labelled("provider", "reported " + one_line(": ".join(told)))
            case "response.done" if data["status"] == "failed":
                yield labelled("agent", "(the provider failed to answer)")
            case "session.live":
                yield labelled("live", "connected")
            case "session.ended":
                yield labelled("ended", ending(data["reason"], data.get("detail") or ""))
            case _:
                yield from self._tool_lines(type_, data)

    def _tool_lines(self, type_: str, data: Mapping[str, Any]) -> Iterator[str]:
        match type_:
            case "tool.called":
                self._tools[data["call_id"]] = target = visible(data["target"])
                yield labelled("tool", f"{target} {one_line(data['arguments'])}")
            case "tool.refused":
                yield labelled(
                    "tool", f"{visible(data['name'])} refused: {one_line(data['message'])}"
                )
            case "tool.finished":
                came_to = f" {data['status']} after {data['duration_ms']} ms"
                self._tools[data["call_id"]] = visible(data["target"]) + came_to
            case "tool.output":
                tool = self._tools.pop(data["call_id"], "answered")
                yield labelled("tool", f"{tool}: {one_line(data['output'])}")

    def _draw_partial(self, type_: str, data: Mapping[str, Any]) -> None:
        item_id = data.get("item_id", "")
        match type_:
            case "turn.delta" | "agent.delta":
                name = "agent" if type_ == "agent.delta" else "caller"
                before = self._partial.get(item_id) or labelled(name, "")
                self._partial[item_id] = before + visible(data["delta"].replace("\n", " "))
            case "turn.transcribed" | "turn.failed" | "turn.timed_out" | "agent.heard":
                self._partial.pop(item_id, None)
            case _:
                return
        if self._live is not None:
            from rich.text import Text

            self._live.update(Text("\n".join(self._partial.values()), style="dim"), refresh=True)

    def _print(self, line: str) -> None:
        if self._live is None:
            print(line, flush=True)
            return
        from rich.text import Text

        self._live.console.print(Text(line), soft_wrap=True)
