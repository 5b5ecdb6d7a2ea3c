from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import orjson
import pytest
from unit.sdk.fake_plane import FakePlane, leave, serving
from unit.sdk.leading import led_by, outcome

from agentfield.v1 import agent_service_pb2 as pb
from agentfield.v1 import errors
from agentfield.v1 import session_pb2 as sessions_pb
from agentfield.v1.execution_service_pb2 import ExecuteResponse
from agentfield.v1.session_service_pb2 import EndSessionResponse
from agentfield_sdk import (
    Agent,
    ExecutionContext,
    InvalidDeclaration,
    RealtimeSession,
    SessionTurn,
    Speech,
    current,
)

pytestmark = pytest.mark.unit


async def test_the_first_example_runs_as_it_is_written(app: Agent, plane: FakePlane) -> None:
    @app.session(
        "voice",
        provider="openai",
        model="gpt-realtime-2",
        transport="webrtc",
        modalities=["audio", "text"],
        voice="marin",
        tools=["support.resolve_voice_turn"],
    )
    async def voice(session):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - as it is written
        turn = await session.input()
        result = await session.call("support.resolve_voice_turn", turn=turn)
        await session.say(result["spoken_response"])

    plane.answers("Execute", ExecuteResponse(result=b'{"spoken_response": "Done."}'))
    plane.answers("Say", pb.SayResponse())

    async with serving(app, plane) as work:
        work.starts(attempt=2)
        handling = await plane.handling()
        handling.opens()
        handling.hears_user(1, "item_1", "Help!")
        await plane.until_heard("ReportHandler")
        await handling.left.wait()
        await leave(app, work)

    declared = plane.requests("RegisterNode")[0].sessions[0]
    assert (declared.name, declared.has_handler, declared.voice) == ("voice", True, "marin")
    execute, say = plane.requests("Execute")[0], plane.requests("Say")[0]
    assert execute.target == "support.resolve_voice_turn"
    turn = orjson.loads(execute.input)["turn"]
    assert (turn["text"], turn["transcript"], turn["channel"]) == ("Help!", "Help!", "audio")
    assert "audio" not in turn
    assert (say.session_id, say.attempt, say.text) == ("sess_1", 2, "Done.")
    assert outcome(plane) == (2, pb.HANDLER_OUTCOME_RETURNED, "")


async def test_a_call_is_a_child_of_the_sessions_execution(app: Agent, plane: FakePlane) -> None:
    plane.answers("Execute", ExecuteResponse(result=b"1"))
    seen: list[ExecutionContext | None] = []

    async def handler(session: RealtimeSession) -> None:
        seen.append(current())
        await session.call("other.skill", x=1)
        await app.call("other.skill", x=2)
        async with asyncio.TaskGroup() as tasks:
            elsewhere = contextvars.Context()
            tasks.create_task(session.call("other.skill", x=3), context=elsewhere)

    facts = {"actor_id": "ann", "traceparent": "00-t"}
    async with led_by(handler, app, plane, **facts) as handling:
        handling.opens()

    assert seen == [
        ExecutionContext(
            execution_id="exec_root",
            run_id="run_1",
            function="voice",
            attempt=1,
            session_id="sess_1",
            actor_id="ann",
            traceparent="00-t",
        )
    ]
    calls = [heard.metadata for heard in plane.heard if heard.rpc == "Execute"]
    assert len(calls) == 3
    for metadata in calls:
        assert metadata["x-parent-execution-id"] == "exec_root"
        assert (metadata["x-session-id"], metadata["x-run-id"]) == ("sess_1", "run_1")
        assert (metadata["x-actor-id"], metadata["traceparent"]) == ("ann", "00-t")
    report = next(heard for heard in plane.heard if heard.rpc == "ReportHandler")
    assert "x-parent-execution-id" not in report.metadata


async def test_saying_tells_what_was_heard(app: Agent, plane: FakePlane) -> None:
    plane.answers(
        "Say",
        pb.SayResponse(
            text="Hello there",
            spoken_text="Hello, there!",
            verbatim=True,
            heard_text="Hello",
            heard_ms=400,
            estimated=True,
            outcome=sessions_pb.SPEECH_OUTCOME_INTERRUPTED,
        ),
    )
    speeches: list[Speech] = []

    async def handler(session: RealtimeSession) -> None:
        speeches.append(await session.say("Hello there", interruptible=False, mood="calm"))
        await session.say("Bye")

    async with led_by(handler, app, plane) as handling:
        handling.opens()

    assert speeches == [
        Speech(
            text="Hello there",
            spoken_text="Hello, there!",
            verbatim=True,
            heard_text="Hello",
            heard_ms=400,
            estimated=True,
            outcome="interrupted",
        )
    ]
    first, second = plane.requests("Say")
    assert (first.uninterruptible, first.metadata) == (True, b'{"mood":"calm"}')
    assert (second.uninterruptible, second.metadata) == (False, b"")
    assert len({first.request_id, second.request_id, ""}) == 3


async def test_a_model_that_responds_gives_the_agents_turn(app: Agent, plane: FakePlane) -> None:
    turn = sessions_pb.Turn(
        item_id="item_2",
        role=sessions_pb.TURN_ROLE_AGENT,
        text="Well",
        full_text="Well, yes",
        interrupted=True,
        channel="audio",
    )
    plane.answers("Respond", pb.RespondResponse(turn=turn))
    plane.answers("Interrupt", pb.InterruptResponse(interrupted=True))
    plane.answers("UpdateSession", pb.UpdateSessionResponse(tool_targets={"close": "node.close"}))
    plane.answers("EndSession", EndSessionResponse())
    found: list[Any] = []

    async def handler(session: RealtimeSession) -> None:
        found.append(await session.respond("Be short."))
        found.append(await session.interrupt())
        found.append(await session.update(instructions="", tools=["close"]))
        await session.update()
        await session.end("All said.")

    async with led_by(handler, app, plane) as handling:
        handling.opens()

    assert found == [
        SessionTurn(
            text="Well",
            transcript="Well",
            role="agent",
            item_id="item_2",
            full_text="Well, yes",
            interrupted=True,
        ),
        True,
        {"close": "node.close"},
    ]
    assert plane.requests("Respond")[0].instructions == "Be short."
    changed, unchanged = plane.requests("UpdateSession")
    assert changed.HasField("instructions")
    assert list(changed.tools.tools) == ["close"]
    assert not unchanged.HasField("instructions")
    assert not unchanged.HasField("tools")
    asked = [plane.requests(rpc)[0] for rpc in ("Respond", "Interrupt", "UpdateSession")]
    assert all(request.request_id for request in asked)
    end = next(heard for heard in plane.heard if heard.rpc == "EndSession")
    assert (end.request.session_id, end.request.detail) == ("sess_1", "All said.")
    assert end.metadata["x-execution-id"] == "exec_root"


async def test_what_is_of_the_wrong_kind_is_refused_before_it_is_asked(
    app: Agent, plane: FakePlane
) -> None:
    refusals: list[str] = []

    async def handler(session: RealtimeSession) -> None:
        with pytest.raises(TypeError) as no_text:
            await session.say(5)  # type: ignore[arg-type]
        with pytest.raises(InvalidDeclaration) as no_list:
            await session.update(tools="kitchen.bake")
        with pytest.raises(InvalidDeclaration) as no_tool:
            await session.update(tools=["kitchen.bake", "a b"])
        refusals.extend(str(refusal.value) for refusal in (no_text, no_list, no_tool))

    async with led_by(handler, app, plane) as handling:
        handling.opens()

    assert refusals == [
        "The text to say must be a str, not int.",
        "tools must be a list",
        "tools has 'a b', which is not `node.function` or `function`",
    ]
    assert plane.requests("Say") == plane.requests("UpdateSession") == []


async def test_what_is_asked_is_asked_again_with_the_same_id_when_the_server_was_away(
    app: Agent, plane: FakePlane
) -> None:
    away = errors.ServerDraining("It restarts.", retry_after=0.01)
    plane.answers("Say", away, away, pb.SayResponse(text="x"))

    async def handler(session: RealtimeSession) -> None:
        await session.say("x")

    async with led_by(handler, app, plane) as handling:
        handling.opens()

    requests = plane.requests("Say")
    assert len(requests) == 3
    assert len({request.request_id for request in requests}) == 1


async def test_a_handler_knows_its_session(app: Agent, plane: FakePlane) -> None:
    facts: dict[str, Any] = {}

    async def handler(session: RealtimeSession) -> None:
        facts.update(id=session.id, attempt=session.attempt, metadata=session.metadata)
        facts.update(definition=session.definition, state=session.state)
        begun.set()
        await session.input()
        facts.update(later=session.state, shown=repr(session))

    begun = asyncio.Event()
    async with led_by(handler, app, plane, attempt=3) as handling:
        handling.opens(metadata=b'{"n": 1}', state=sessions_pb.SESSION_STATE_CONNECTING)
        await begun.wait()
        handling.tells(1, "session.live")
        handling.hears_user(2, "item_1", "Hi")

    assert (facts["id"], facts["attempt"], facts["metadata"]) == ("sess_1", 3, {"n": 1})
    definition = facts["definition"]
    assert (definition.name, definition.model, definition.modalities) == ("voice", "m", ("audio",))
    assert (definition.turn_detection, definition.limits) == (None, None)
    assert (facts["state"], facts["later"]) == ("connecting", "live")
    assert facts["shown"] == "RealtimeSession(id='sess_1', attempt=3)"


async def test_a_later_attempt_begins_with_the_history_and_what_is_unanswered(
    app: Agent, plane: FakePlane
) -> None:
    at_first: list[SessionTurn] = []
    inputs: list[SessionTurn] = []

    async def handler(session: RealtimeSession) -> None:
        at_first.extend(session.history)
        begun.set()
        inputs.extend([await session.input(), await session.input()])

    begun = asyncio.Event()
    async with led_by(handler, app, plane, attempt=2) as handling:
        handling.opens(last_sequence=5)
        handling.hears_user(1, "item_1", "One")
        said = {"item_id": "item_2", "text": "Answer", "metadata": {"mood": "calm"}}
        handling.tells(3, "agent.heard", **said)
        handling.hears_user(4, "item_3", "Two")
        await begun.wait()
        handling.hears_user(6, "item_4", "Three")

    assert handling.request == pb.HandleSessionRequest(session_id="sess_1", attempt=2)
    assert [(turn.role, turn.text) for turn in at_first] == [
        ("user", "One"),
        ("agent", "Answer"),
        ("user", "Two"),
    ]
    assert at_first[1].metadata == {"mood": "calm"}
    assert [turn.text for turn in inputs] == ["Two", "Three"]


async def test_input_may_be_waited_for_only_so_long(app: Agent, plane: FakePlane) -> None:
    timed_out = asyncio.Event()
    told: list[str] = []
    turns: list[str] = []

    async def handler(session: RealtimeSession) -> None:
        with pytest.raises(TimeoutError) as silence:
            await session.input(timeout=0.01)
        told.append(str(silence.value))
        timed_out.set()
        turns.append((await session.input(timeout=10)).text)

    async with led_by(handler, app, plane) as handling:
        handling.opens()
        await timed_out.wait()
        handling.hears_user(1, "item_1", "Sorry")

    assert told == ["No turn of the user came within 0.01 s."]
    assert turns == ["Sorry"]
