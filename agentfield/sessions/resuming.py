"""After a link is back: what happened meanwhile, as far as the provider tells.

The provider repeats nothing. But an item of ours, put at the end, tells which item was the last
before it; that one, and those that were unfinished when the link was lost, are looked up. What is
found becomes the events that were missed; the rest stays unknown.
"""

from __future__ import annotations

__all__ = ["Resuming", "missed"]

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agentfield.sessions import provider as p
from agentfield.sessions.effects import Outbox, Send

CHECK_SECONDS = 5.0
"""How long the provider may take to answer what it is asked."""
MOST = 16
"""How many unfinished items of the model are looked up, the latest."""
MAX_PROBES = 3
PROBE_TEXT = "."


def missed(item: p.ItemFound, *, known: bool, response_id: str) -> list[p.ProviderEvent]:
    """Return the events that would have told of an item.

    ``known``: its place in the conversation was told already. ``response_id`` is the response that
    an item of the model belongs to; empty if that is not known.
    """
    is_done = item.status in {"", "completed"}
    is_typed = item.type == "message" and item.role == "user" and not item.spoken
    added = p.ItemAdded(
        item_id=item.item_id,
        previous_item_id=None,
        type=item.type,
        role=item.role,
        text=item.text if is_typed else None,
        call_id=item.call_id,
    )
    events: list[p.ProviderEvent] = [] if known else [added]
    match item.type, item.role:
        case "message", "user" if item.spoken:
            events += [] if known else [p.TurnCommitted(item_id=item.item_id)]
            events += [p.Heard(item_id=item.item_id, text=item.text)] if item.text else []
        case "message", "assistant" if item.text and is_done:
            events.append(
                p.AgentSaid(response_id=response_id, item_id=item.item_id, text=item.text)
            )
        case "function_call", _ if is_done:
            call = p.ToolCalled(
                response_id=response_id,
                item_id=item.item_id,
                call_id=item.call_id,
                name=item.name,
                arguments=item.arguments,
            )
            events.append(call)
    return events


class Resuming:
    """Asks for what was missed, and knows what is not answered yet."""

    def __init__(self, outbox: Outbox, *, new_id: Callable[[str], str]) -> None:
        self._out = outbox
        self._new_id = new_id
        self._unfinished: dict[str, str] = {}
        """Items of the model that were told of and whose content was not, with their types."""
        self._probe = ""
        self._probes = 0
        self._before: dict[str, str | None] = {}
        """What stands before items of ours that are there for a moment."""
        self._open: set[str] = set()
        self._until = math.inf

    @property
    def is_over(self) -> bool:
        """Whether all that was asked is answered."""
        return not self._open

    @property
    def deadline(self) -> float:
        return self._until

    def note(self, type_: str, data: Mapping[str, Any]) -> None:
        """Take in what is logged, as far as it tells which items are unfinished."""
        item_id = data.get("item_id") or ""
        match type_:
            case "item.added" if data["type"] == "function_call" or data["role"] == "assistant":
                self._unfinished[item_id] = data["type"]
            case "agent.said" | "agent.heard" | "tool.called" | "tool.refused":
                self._unfinished.pop(item_id, None)
            case "client.tampering":  # of an item that was put in, its id
                self._unfinished.pop(data.get("detail") or "", None)
            case "response.done":  # it has told of all its calls
                calls = [key for key, kind in self._unfinished.items() if kind == "function_call"]
                for each in calls:
                    del self._unfinished[each]

    def begin(self, items: Sequence[str], now: float) -> None:
        """Ask for what was the last, for these items and for what the model had not finished."""
        self._probes = 0
        self._until = now + CHECK_SECONDS
        self._open = set()
        self._put_probe()
        for item_id in (*items, *list(self._unfinished)[-MOST:]):
            self._look_up(item_id)

    def end(self) -> None:
        """Note that the link is gone, or nothing is to be asked."""
        self._open, self._until = set(), math.inf

    def forget(self) -> None:
        """Begin anew with another provider call."""
        self.end()
        self._unfinished.clear()
        self._before.clear()

    def probed(self, item: p.ItemAdded, *, known: Callable[[str], bool]) -> bool:
        """Take in an item; return whether it is ours, there for a moment."""
        if item.item_id != self._probe:
            return False
        last = self.before(item.previous_item_id)
        self._before[item.item_id] = last
        self._out.put(Send(command=p.DeleteItem(item_id=item.item_id)))
        if last is not None and not known(last):
            self._look_up(last)
        self._answered(item.item_id)
        return True

    def before(self, item_id: str | None) -> str | None:
        """Return the item that is meant: what stands before ours, if it is ours."""
        return self._before.get(item_id, item_id) if item_id else None

    def found(self, item: p.ItemFound) -> bool:
        """Take in an answer; return whether it is an item that counts."""
        is_counted = not (item.role == "system" and item.text == PROBE_TEXT)
        if not is_counted:  # one of ours was left behind, and hides what was the last
            self._before[item.item_id] = None
            self._out.put(Send(command=p.DeleteItem(item_id=item.item_id)))
            if self._probes < MAX_PROBES:
                self._put_probe()
        self._answered(item.item_id)
        return is_counted

    def missing(self, item_id: str) -> None:
        """Note that there is no such item."""
        self._unfinished.pop(item_id, None)
        self._answered(item_id)

    def tick(self, now: float) -> list[str]:
        """Give up waiting; return the items of which nothing was told."""
        if now < self._until:
            return []
        late = sorted(self._open)
        self.end()
        return late

    # --- inside ---

    def _put_probe(self) -> None:
        self._probe = self._new_id("item")
        self._probes += 1
        self._open.add(self._probe)
        self._out.put(Send(command=p.Probe(item_id=self._probe, text=PROBE_TEXT)))

    def _look_up(self, item_id: str) -> None:
        if item_id not in self._open:
            self._open.add(item_id)
            self._out.put(Send(command=p.RetrieveItem(item_id=item_id)))

    def _answered(self, item_id: str) -> None:
        self._open.discard(item_id)
        if not self._open:
            self._until = math.inf
