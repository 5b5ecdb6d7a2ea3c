"""Sessions and their declarations as messages, and messages as declarations."""

from __future__ import annotations

__all__ = [
    "declaration",
    "declaration_from",
    "event",
    "provider_call",
    "session",
    "state",
    "state_from",
    "turn",
    "turn_detection",
]

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from agentfield.contract.turns import AGENT, HeardTurn
from agentfield.sessions.declaration import (
    Declaration,
    DeclaredLimits,
    ToolOption,
    with_defaults,
)
from agentfield.sessions.model import (
    CallState,
    EndReason,
    Event,
    HandlerState,
    ProviderCall,
    Session,
    State,
)
from agentfield.sessions.snapshot import event_data_json
from agentfield.v1 import errors
from agentfield.v1 import session_pb2 as pb

_STATE = {s: pb.SessionState.Value(f"SESSION_STATE_{s.name}") for s in State}
_STATE_BACK = {number: state for state, number in _STATE.items()}
_END_REASON = {r: pb.SessionEndReason.Value(f"SESSION_END_REASON_{r.name}") for r in EndReason}
_HANDLER = {
    HandlerState.NONE: pb.HANDLER_STATE_UNSPECIFIED,
    HandlerState.RUNNING: pb.HANDLER_STATE_RUNNING,
    HandlerState.RETURNED: pb.HANDLER_STATE_RETURNED,
    HandlerState.FAILED: pb.HANDLER_STATE_FAILED,
}
_CALL_STATE = {s: pb.ProviderCallState.Value(f"PROVIDER_CALL_STATE_{s.name}") for s in CallState}
_DETECTION = {
    "server_vad": pb.TURN_DETECTION_TYPE_SERVER_VAD,
    "semantic_vad": pb.TURN_DETECTION_TYPE_SEMANTIC_VAD,
}
_EAGERNESS = {
    "auto": pb.EAGERNESS_AUTO,
    "low": pb.EAGERNESS_LOW,
    "medium": pb.EAGERNESS_MEDIUM,
    "high": pb.EAGERNESS_HIGH,
}
_DATA_CHANNEL = {"monitor": pb.DATA_CHANNEL_MONITOR, "refuse": pb.DATA_CHANNEL_REFUSE}
_DETECTION_NAMES = {number: name for name, number in _DETECTION.items()}
_EAGERNESS_NAMES = {number: name for name, number in _EAGERNESS.items()}
_DATA_CHANNEL_NAMES = {number: name for name, number in _DATA_CHANNEL.items()}
_SECONDS = (
    "connect_timeout",
    "idle_timeout",
    "max_duration",
    "tool_timeout",
    "transcript_timeout",
    "handler_grace",
)


# --- declarations ---


def declaration_from(message: pb.SessionDeclaration) -> Declaration:
    """Return what a worker declares, unchecked."""
    m = message
    return Declaration(
        name=m.name,
        provider=m.provider,
        transport=m.transport,
        model=m.model,
        modalities=tuple(m.modalities),
        voice=m.voice,
        instructions=m.instructions,
        tools=tuple(m.tools),
        tags=tuple(m.tags),
        metadata=m.metadata,
        turn_detection=_detection_from(m.turn_detection) if m.HasField("turn_detection") else None,
        transcription=_transcription_from(m.transcription),
        # A value that is not known here is named by its number, and refused by the checks.
        data_channel=_DATA_CHANNEL_NAMES.get(m.data_channel, str(m.data_channel))
        if m.data_channel
        else "monitor",
        limits=_limits_from(m.limits),
        tool_options=tuple(
            ToolOption(
                tool=one.tool,
                timeout=_seconds(one.timeout) if one.HasField("timeout") else None,
                cancel_on_interrupt=one.cancel_on_interrupt,
            )
            for one in m.tool_options
        ),
        has_handler=m.has_handler,
    )


def _detection_from(m: pb.TurnDetection) -> dict[str, Any]:
    given: dict[str, Any] = {field.name: value for field, value in m.ListFields()}
    if m.type:
        given["type"] = _DETECTION_NAMES.get(m.type, str(m.type))
    if m.eagerness:
        given["eagerness"] = _EAGERNESS_NAMES.get(m.eagerness, str(m.eagerness))
    return given


def _transcription_from(m: pb.Transcription) -> dict[str, str] | None:
    if m.off:
        return None
    return {name: value for name in ("model", "language") if (value := getattr(m, name))}


def _limits_from(m: pb.SessionLimits) -> DeclaredLimits:
    given = {field.name: value for field, value in m.ListFields()}
    durations = {name: _seconds(given[name]) for name in _SECONDS if name in given}
    return DeclaredLimits(**durations, max_sessions=m.max_sessions)


def _seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos / 1e9


def declaration(d: Declaration, into: pb.SessionDeclaration | None = None) -> pb.SessionDeclaration:
    """Return a declaration as a message, with the limits that hold."""
    m = into if into is not None else pb.SessionDeclaration()
    m.name, m.provider, m.transport = d.name, d.provider, d.transport
    m.model, m.voice, m.instructions = d.model, d.voice, d.instructions
    m.modalities.extend(d.modalities)
    m.tools.extend(d.tools)
    m.tags.extend(d.tags)
    m.metadata = d.metadata
    if d.turn_detection is not None:
        turn_detection(d.turn_detection, m.turn_detection)
    if d.transcription is None or d.transcription:
        _transcription(d.transcription, m.transcription)
    m.data_channel = _DATA_CHANNEL[d.data_channel]
    for name in _SECONDS:
        _set_seconds(getattr(m.limits, name), getattr(d.limits, name))
    m.limits.max_sessions = d.limits.max_sessions
    for option in d.tool_options:
        added = m.tool_options.add(tool=option.tool, cancel_on_interrupt=option.cancel_on_interrupt)
        if option.timeout is not None:
            _set_seconds(added.timeout, option.timeout)
    m.has_handler = d.has_handler
    return m


def turn_detection(
    given: Mapping[str, Any], into: pb.TurnDetection | None = None
) -> pb.TurnDetection:
    """Return turn detection as a message; what is not given is not set."""
    m = into if into is not None else pb.TurnDetection()
    m.SetInParent()
    for name, value in given.items():
        match name:
            case "type":
                m.type = _DETECTION[value]
            case "eagerness":
                m.eagerness = _EAGERNESS[value]
            case _:
                setattr(m, name, value)
    return m


def _transcription(given: Mapping[str, str] | None, into: pb.Transcription) -> None:
    into.SetInParent()
    into.off = given is None
    into.model = (given or {}).get("model", "")
    into.language = (given or {}).get("language", "")


def _set_seconds(field: Duration, seconds: float) -> None:
    field.FromNanoseconds(round(seconds * 1e9))


# --- sessions ---


def session(
    s: Session,
    into: pb.Session | None = None,
    *,
    calls: Iterable[ProviderCall] = (),
    turns: Iterable[HeardTurn] = (),
) -> pb.Session:
    """Return a session as a message, with what is in force unless its words were removed."""
    m = into if into is not None else pb.Session()
    m.session_id, m.target, m.state = s.session_id, s.target, _STATE[s.state]
    if s.end_reason is not None:
        m.end_reason, m.end_detail = _END_REASON[s.end_reason], s.end_detail
    declaration(s.declaration, m.declaration)
    if s.deleted_at is None:
        _effective(s, m.effective)
    m.metadata, m.usage = s.metadata, orjson.dumps(dict(s.usage))
    m.run_id, m.root_execution_id = s.run_id, s.root_execution_id
    m.handler, m.attempt = _HANDLER[s.handler], s.attempt
    m.last_sequence, m.created_by = s.last_sequence, s.created_by
    for call in calls:
        provider_call(call, m.provider_calls.add())
    for one in turns:
        turn(one, m.turns.add())
    for name in ("created_at", "connect_by", "live_at", "ended_at", "deleted_at"):
        _set_time(getattr(m, name), getattr(s, name))
    return m


def _effective(s: Session, into: pb.EffectiveConfiguration) -> None:
    d = s.declaration
    into.instructions = s.instructions
    detection = with_defaults(d.turn_detection)
    if d.has_handler:
        detection["create_response"] = False
    turn_detection(detection, into.turn_detection)
    _transcription(d.transcription, into.transcription)
    into.tool_targets.update(s.tool_targets)


def state(value: State) -> pb.SessionState.ValueType:
    """Return the enum value of a state."""
    return _STATE[value]


def state_from(value: pb.SessionState.ValueType) -> State | None:
    """Return the state of an enum value; None for unspecified. Raises InvalidArgument."""
    if not value:
        return None
    if value not in _STATE_BACK:
        raise errors.InvalidArgument("The state is not known.", metadata={"field": "state"})
    return _STATE_BACK[value]


def event(e: Event, into: pb.SessionEvent | None = None) -> pb.SessionEvent:
    """Return an event as a message."""
    m = into if into is not None else pb.SessionEvent()
    m.sequence, m.type, m.data = e.sequence, e.type, event_data_json(e.data)
    m.at.FromMicroseconds(e.at)
    return m


def turn(t: HeardTurn, into: pb.Turn | None = None) -> pb.Turn:
    """Return a turn as a message."""
    m = into if into is not None else pb.Turn()
    m.item_id = t.item_id
    m.role = pb.TURN_ROLE_AGENT if t.role == AGENT else pb.TURN_ROLE_USER
    m.text, m.full_text = t.text or "", t.full_text or ""
    m.interrupted, m.estimated, m.channel = t.interrupted, t.estimated, t.channel
    m.metadata = orjson.dumps(dict(t.metadata))
    m.at.FromMicroseconds(t.at)
    return m


def provider_call(c: ProviderCall, into: pb.ProviderCall | None = None) -> pb.ProviderCall:
    """Return a provider call as a message."""
    m = into if into is not None else pb.ProviderCall()
    m.provider_call_id, m.generation = c.provider_call_id, c.generation
    m.provider, m.external_id, m.state = c.provider, c.external_id, _CALL_STATE[c.state]
    _set_time(m.created_at, c.created_at)
    _set_time(m.ended_at, c.ended_at)
    return m


def _set_time(field: Timestamp, micros: int | None) -> None:
    if micros is not None:
        field.FromMicroseconds(micros)
