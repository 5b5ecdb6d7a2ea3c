"""Declarations and sessions as JSON and on the wire."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from unit.core.declarations import FULL, MATRIX, PLAIN

from agentfield.contract.turns import AGENT, USER, HeardTurn
from agentfield.rpc import convert_sessions
from agentfield.sessions.declaration import (
    Declaration,
    DeclaredLimits,
    ToolOption,
    checked,
)
from agentfield.sessions.model import (
    CallState,
    EndReason,
    Event,
    HandlerState,
    ProviderCall,
    Session,
    State,
    Tool,
)
from agentfield.sessions.snapshot import (
    declaration_from_json,
    declaration_json,
    event_data_from_json,
    event_data_json,
    tools_from_json,
    tools_json,
)
from agentfield.v1 import errors
from agentfield.v1 import session_pb2 as pb

pytestmark = pytest.mark.unit
TOOL = Tool(entry="look", name="look", target="n.look", description="d", input_schema=b'{"a": 1}')


# --- as JSON ---


@pytest.mark.parametrize("one", [PLAIN, FULL, replace(FULL, transcription=None)])
def test_a_declaration_is_read_back_as_it_was_written(one: Declaration) -> None:
    assert declaration_from_json(declaration_json(one)) == one
    assert orjson.loads(declaration_json(one))["schema"] == 1


def test_readers_take_what_they_know_and_defaults_for_the_rest() -> None:
    older = b'{"schema":1,"name":"talk","provider":"openai","transport":"webrtc"}'
    newer = orjson.dumps(
        {
            **orjson.loads(declaration_json(FULL)),
            "schema": 2,
            "mood": "sunny",
            "limits": {"idle_timeout": 2.0, "mood_timeout": 1.0},
            "tool_options": [{"tool": "look", "mood": "sunny"}],
        }
    )

    assert declaration_from_json(older) == PLAIN
    assert declaration_from_json(newer) == replace(
        FULL,
        limits=DeclaredLimits(idle_timeout=2.0),
        tool_options=(ToolOption(tool="look"),),
    )


def test_tools_and_events_are_read_back_as_they_were_written() -> None:
    assert tools_from_json(tools_json((TOOL, TOOL))) == (TOOL, TOOL)
    assert tools_from_json(b'{"tools":[{"entry":"a","name":"a","target":"n.a","x":1}]}') == (
        Tool(entry="a", name="a", target="n.a"),
    )
    assert event_data_from_json(event_data_json({"text": "ü"})) == {"text": "ü"}
    assert event_data_json({"a": 1}) == b'{"schema":1,"a":1}'


# --- on the wire ---


@pytest.mark.parametrize("one", [PLAIN, FULL, replace(FULL, transcription=None)])
def test_a_declaration_crosses_the_wire_unchanged(one: Declaration) -> None:
    message = pb.SessionDeclaration.FromString(
        convert_sessions.declaration(one).SerializeToString()
    )

    assert convert_sessions.declaration_from(message) == one


def test_only_what_is_given_on_the_wire_overrides_a_default() -> None:
    message = pb.SessionDeclaration(name="talk", provider="openai", transport="webrtc")
    bare = checked(convert_sessions.declaration_from(message), MATRIX)
    assert bare == PLAIN

    message.limits.idle_timeout.FromMilliseconds(2500)
    message.turn_detection.type = pb.TURN_DETECTION_TYPE_SERVER_VAD
    message.turn_detection.threshold = 0.0
    message.turn_detection.create_response = False
    given = convert_sessions.declaration_from(message)
    assert given.limits == DeclaredLimits(idle_timeout=2.5)
    assert given.turn_detection == {
        "type": "server_vad",
        "threshold": 0.0,
        "create_response": False,
    }


def test_a_limit_of_nothing_is_not_the_default() -> None:
    message = pb.SessionDeclaration(name="talk", provider="openai", transport="webrtc")
    message.limits.idle_timeout.FromSeconds(0)

    with pytest.raises(errors.InvalidArgument, match="idle_timeout"):
        checked(convert_sessions.declaration_from(message), MATRIX)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        # As bytes, since the stubs do not take a 9: turn_detection {type}, {type, eagerness}, and
        # data_channel.
        ("type", b"\x5a\x02\x08\x09"),
        ("eagerness", b"\x5a\x04\x08\x02\x28\x09"),
        ("data_channel", b"\x68\x09"),
    ],
)
def test_values_of_a_newer_contract_are_refused_not_guessed(name: str, change: bytes) -> None:
    message = convert_sessions.declaration(PLAIN)
    message.MergeFromString(change)

    with pytest.raises(errors.InvalidArgument, match=name):
        checked(convert_sessions.declaration_from(message), MATRIX)


SESSION = Session(
    session_id="sess_1",
    node_id="n",
    declaration=FULL,
    run_id="run_1",
    root_execution_id="exec_1",
    created_at=1_000_000,
    connect_by=2_000_000,
    state=State.ENDED,
    end_reason=EndReason.HANDLER_FAILED,
    end_detail="boom",
    metadata=b'{"who":"ada"}',
    handler=HandlerState.FAILED,
    attempt=2,
    last_sequence=9,
    instructions="Be brief.",
    tools=(TOOL,),
    usage={"total_tokens": 3},
    created_by="web",
    live_at=1_500_000,
    ended_at=3_000_000,
)


def test_a_session_shows_what_was_declared_and_what_is_in_force() -> None:
    message = convert_sessions.session(SESSION)

    assert message.declaration == convert_sessions.declaration(FULL)
    assert message.declaration.turn_detection.create_response is False
    effective = message.effective
    assert effective.instructions == "Be brief."
    assert dict(effective.tool_targets) == {"look": "n.look"}
    assert effective.turn_detection.type == pb.TURN_DETECTION_TYPE_SEMANTIC_VAD
    assert effective.turn_detection.eagerness == pb.EAGERNESS_LOW
    assert effective.turn_detection.create_response is False
    assert effective.turn_detection.interrupt_response is True
    assert (effective.transcription.model, effective.transcription.language) == ("t", "de")
    assert (message.target, message.state) == ("n.talk", pb.SESSION_STATE_ENDED)
    assert message.end_reason == pb.SESSION_END_REASON_HANDLER_FAILED
    assert (message.handler, message.attempt) == (pb.HANDLER_STATE_FAILED, 2)
    assert (message.metadata, message.usage) == (b'{"who":"ada"}', b'{"total_tokens":3}')
    times = (message.created_at, message.connect_by, message.live_at, message.ended_at)
    assert [time.ToMicroseconds() for time in times] == [1_000_000, 2_000_000, 1_500_000, 3_000_000]
    assert not message.HasField("deleted_at")


def test_a_handler_keeps_the_provider_from_answering_by_itself() -> None:
    led = replace(SESSION, declaration=replace(PLAIN, has_handler=True))
    free = replace(SESSION, declaration=replace(PLAIN, transcription=None))

    assert convert_sessions.session(led).effective.turn_detection.create_response is False
    assert convert_sessions.session(free).effective.turn_detection.create_response is True
    assert convert_sessions.session(free).effective.transcription.off
    assert not convert_sessions.session(led).effective.transcription.off
    assert not convert_sessions.session(led).declaration.HasField("turn_detection")


def test_a_tombstone_has_nothing_in_force() -> None:
    message = convert_sessions.session(replace(SESSION, deleted_at=4_000_000))

    assert not message.HasField("effective")
    assert message.deleted_at.ToMicroseconds() == 4_000_000


def test_a_session_carries_turns_and_calls_when_asked_to() -> None:
    call = ProviderCall(
        provider_call_id="call_1",
        session_id="sess_1",
        generation=2,
        provider="openai",
        transport="webrtc",
        state=CallState.OPEN,
        created_at=5,
        external_id="rtc_1",
        answer_sdp=b"secret",
    )
    said = HeardTurn(
        item_id="i",
        role=AGENT,
        text="Hel",
        full_text="Hello",
        interrupted=True,
        estimated=True,
        metadata={"a": 1},
        at=7,
    )
    asked = HeardTurn(item_id="j", role=USER, channel="text")

    message = convert_sessions.session(SESSION, calls=[call], turns=[said, asked])

    assert message.provider_calls[0] == convert_sessions.provider_call(call)
    assert (message.provider_calls[0].state, message.provider_calls[0].generation) == (
        pb.PROVIDER_CALL_STATE_OPEN,
        2,
    )
    assert not message.provider_calls[0].HasField("ended_at")
    agent, user = message.turns
    assert (agent.role, agent.text, agent.full_text) == (pb.TURN_ROLE_AGENT, "Hel", "Hello")
    assert (agent.interrupted, agent.estimated, agent.metadata) == (True, True, b'{"a":1}')
    assert agent.at.ToMicroseconds() == 7
    assert (user.role, user.text, user.channel) == (pb.TURN_ROLE_USER, "", "text")


def test_an_event_carries_its_data_with_the_version_of_its_shape() -> None:
    message = convert_sessions.event(
        Event(type="turn.transcribed", data={"text": "Hi"}, sequence=4, at=8)
    )

    assert (message.sequence, message.type) == (4, "turn.transcribed")
    assert message.data == b'{"schema":1,"text":"Hi"}'
    assert message.at.ToMicroseconds() == 8


@pytest.mark.parametrize("state", State)
def test_states_are_named_on_the_wire(state: State) -> None:
    assert convert_sessions.state_from(convert_sessions.state(state)) is state
    assert convert_sessions.session(replace(SESSION, state=state)).state == pb.SessionState.Value(
        f"SESSION_STATE_{state.name}"
    )


def test_a_state_that_is_not_known_is_refused() -> None:
    assert convert_sessions.state_from(pb.SESSION_STATE_UNSPECIFIED) is None
    with pytest.raises(errors.InvalidArgument):
        convert_sessions.state_from(99)  # type: ignore[arg-type]
