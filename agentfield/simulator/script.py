"""What the simulated provider does: what it hears, says, calls, delays and breaks.

A ``Script`` is a value. Every call plays it from the beginning; a script set while calls are
running applies to them at once, again from its beginning.
"""

from __future__ import annotations

__all__ = ["Call", "Fault", "Heard", "Order", "Reply", "Script"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one utterance of the caller is transcribed as, and when."""

    text: str
    after_ms: int = 50
    """How long after the end of the utterance its transcript is complete."""
    transcript: Literal["completed", "failed", "never"] = "completed"
    """Whether the transcript comes; the model has understood ``text`` in any case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One function call of the model."""

    name: str
    """Any name; the session's tools are not consulted."""
    arguments: Mapping[str, Any] | str = "{}"
    """A mapping becomes JSON; a string is sent as it stands, well-formed or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the model does with one response: it speaks first, then calls functions."""

    says: str = ""
    calls: Sequence[Call] = ()
    when: str | None = None
    """A regular expression, searched in what the model is answering: what has been said and
    what functions have returned since its last output, or the instructions and input of the
    request itself. It does not
    matter what is a capital letter."""
    repeats: bool = False
    """Whether this reply is used again and again or only once."""
    after_ms: int = 0
    """How long the model thinks before its first output."""
    word_ms: int = 5
    """How long it takes to generate one word, which is much faster than speaking it."""
    speaks_ms: int | None = None
    """How long the speech lasts; 60 ms for each character if not given."""
    ends: Literal["completed", "failed", "incomplete", "never"] = "completed"
    """Anything but ``completed`` happens half-way through the words; ``never`` stalls there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with HTTP requests, and with handshakes of WebSockets."""

    on: Literal["offer", "sideband", "websocket", "hangup", "client_secret"]
    status: int | None = 500
    """The status they fail with; ``None`` only delays them."""
    code: str | None = None
    retry_after: int | None = None
    after_ms: int = 0
    times: int = 1
    """How many requests it happens to before they work again."""


class Order(StrEnum):
    """In which order events of one moment are sent."""

    RECORDED = "recorded"
    """As recorded from the real provider."""
    SHUFFLED = "shuffled"
    """Differently each time, in any order that what an event is about allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """Everything the simulated provider does.

    The caller's utterances are taken from ``heard`` one by one, then all are ``"Hello."``.
    A response is the first unused reply whose ``when`` matches. A reply without ``when`` answers
    the conversation but not a request with instructions or input of its own: such a request is
    obeyed, by saying what stands in it between double quotation marks, or all of it.
    With no reply left the model repeats what it answers.
    """

    heard: Sequence[Heard | str] = ()
    replies: Sequence[Reply | str] = ()
    faults: Sequence[Fault] = ()
    order: Order = Order.RECORDED
    sideband_after_ms: int = 0
    """How long after the answer a sideband is still refused with 404."""
    drops_sideband_after: str | None = None
    """The first event of this type in a call is the last its sidebands get: they are cut off."""
    tells_of_leaving: bool = True
    """Whether a caller who leaves ends the call; otherwise it stays until it is hung up."""
    lasts_ms: int = 3_600_000
    """How long a session may last before it expires."""
