"""Sessions and their events as lines for people."""

from __future__ import annotations

__all__ = ["end_of", "event_line", "labelled", "one_line", "text_of"]

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from agentfield.contract.fields import enum_text
from agentfield.contract.jsonslice import members
from agentfield.v1 import session_pb2 as pb
from agentfield_cli.exits import visible

_EMPTY = {'""', "null", "{}", "[]"}
# What is copied is never shortened.
_WHOLE = re.compile(r"(.*_)?(id|url|token|target)")
_LEAST = 40
"""No value is shortened to less."""
_WIDTH = 160
"""Of lines that go to no terminal."""


def end_of(session: pb.Session) -> list[str]:
    """Return which session it is, where it is in its life, and why."""
    return [labelled("session", session.session_id), labelled("state", _state(session))]


def text_of(session: pb.Session) -> Iterator[str]:
    """Yield the lines of a session: what it is, what was said, and what it used."""
    for name, text in _header(session):
        if text:
            yield labelled(name, text)
    if session.turns:
        yield ""
        yield from map(_turn, session.turns)
    used = _told(members(session.usage or b"{}"), _width() - len(labelled("usage", "")))
    if session.provider_calls or used:
        yield ""
        yield from (labelled("call", _call(call)) for call in session.provider_calls)
        if used:
            yield labelled("usage", used)


def event_line(event: pb.SessionEvent) -> str:
    """Return the line of an event, with values shortened to fit."""
    number = str(event.sequence or "")
    start = f"{_clock(event.at)}  {number:>4}  {visible(event.type):<20}  "
    facts = members(event.data or b"{}")
    facts.pop("schema", None)
    return f"{start}{_told(facts, _width() - len(start))}".rstrip()


def labelled(name: str, text: str) -> str:
    return f"{name:<8}  {text}"


def _header(session: pb.Session) -> Iterator[tuple[str, str]]:
    declared = session.declaration
    yield "session", session.session_id
    yield "target", session.target
    yield "state", _state(session)
    yield "when", _when(session)
    yield "run", session.run_id
    yield "model", ", ".join(filter(None, (declared.model, declared.voice)))
    if session.handler:
        handler = enum_text(pb.HandlerState.DESCRIPTOR, session.handler)
        yield "handler", f"{handler}, attempt {session.attempt}"
    facts = " ".join(session.metadata.decode(errors="replace").split())
    yield "metadata", "" if facts in _EMPTY else visible(facts)


def _state(session: pb.Session) -> str:
    state = enum_text(pb.SessionState.DESCRIPTOR, session.state) if session.state else ""
    if session.end_reason:
        state += f": {enum_text(pb.SessionEndReason.DESCRIPTOR, session.end_reason)}"
    if session.end_detail:
        state += f" ({one_line(session.end_detail)})"
    return state


def _when(session: pb.Session) -> str:
    times = {
        "started": session.created_at,
        "live": session.live_at,
        "ended": session.ended_at,
        "deleted": session.deleted_at,
    }
    known = {word: at for word, at in times.items() if at.seconds}
    day = f"{_local(session.created_at):%Y-%m-%d}: " if known else ""
    return day + ", ".join(f"{word} {_clock(at)}" for word, at in known.items())


def _turn(turn: pb.Turn) -> str:
    who = "agent" if turn.role == pb.TURN_ROLE_AGENT else "caller"
    nothing = "(nothing was heard)" if who == "agent" else "(not written down)"
    return labelled(
        who,
        (one_line(turn.text) or nothing) + ("  (interrupted)" if turn.interrupted else ""),
    )


def _call(call: pb.ProviderCall) -> str:
    state = enum_text(pb.ProviderCallState.DESCRIPTOR, call.state) if call.state else ""
    times = " to ".join(_clock(at) for at in (call.created_at, call.ended_at) if at.seconds)
    words = (call.provider_call_id, call.provider, visible(call.external_id), state, times)
    return "  ".join(filter(None, words))


def _told(facts: Mapping[str, str], width: int) -> str:
    """Return the members of a JSON object that are not empty, their values shortened to fit."""
    told = {name: _value(text) for name, text in facts.items() if text not in _EMPTY}
    long = [
        name for name, value in told.items() if len(value) > _LEAST and not _WHOLE.fullmatch(name)
    ]
    room = width - len(_joined({**told, **dict.fromkeys(long, "")}))
    most = max((len(told[name]) for name in long), default=0)
    while most > _LEAST and sum(min(len(told[name]), most) for name in long) > room:
        most -= 1
    for name in long:
        told[name] = _shortened(told[name], most)
    return _joined(told)


def _joined(told: Mapping[str, str]) -> str:
    return "  ".join(f"{visible(name)}={value}" for name, value in told.items())


def _value(text: str) -> str:
    """Return a JSON value as one line; a text without its quotes."""
    return one_line(json.loads(text) if text.startswith('"') else text)


def one_line(text: str) -> str:
    # Half a surrogate pair is valid JSON, and cannot be written.
    return visible(" ".join(text.split()).encode(errors="replace").decode())


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _width() -> int:
    return shutil.get_terminal_size((_WIDTH, 0)).columns


def _clock(at: Timestamp) -> str:
    return f"{_local(at):%H:%M:%S}"


def _local(at: Timestamp) -> datetime:
    return at.ToDatetime(UTC).astimezone()
