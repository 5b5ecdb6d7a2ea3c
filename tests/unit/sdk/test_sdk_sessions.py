from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from unit.sdk.fake_plane import FakePlane

from agentfield.v1 import errors
from agentfield.v1 import session_pb2 as pb
from agentfield.v1 import session_service_pb2 as service_pb
from agentfield.v1.node_service_pb2 import ListNodesResponse, Node
from agentfield.v1.workflow_service_pb2 import Workflow
from agentfield_sdk import Client, SessionEvent, SessionTurn, TurnDetection
from agentfield_sdk.payload import duration

pytestmark = pytest.mark.unit

AT = datetime(2026, 1, 2, tzinfo=UTC)
AWAY = errors.ServerDraining("It restarts.", retry_after=0.01)


@pytest.fixture
async def client(plane: FakePlane) -> AsyncIterator[Client]:
    async with Client(plane.address, api_key="secret") as client:
        yield client


def told(sequence: int, type_: str, data: bytes = b"{}") -> service_pb.WatchSessionResponse:
    event = pb.SessionEvent(sequence=sequence, type=type_, data=data)
    event.at.FromDatetime(AT)
    return service_pb.WatchSessionResponse(event=event)


async def sequences(client: Client, after: int = 0) -> list[int]:
    return [event.sequence async for event in client.sessions.watch("sess_1", after)]


async def test_a_start_token_is_asked_for_and_not_shown_by_accident(
    plane: FakePlane, client: Client
) -> None:
    response = service_pb.CreateClientTokenResponse(
        token="afs_s3cret",  # noqa: S106 - of nothing
        token_id="start_1",  # noqa: S106 - of nothing
        target="node.voice",
        uses=3,
    )
    response.expires_at.FromDatetime(AT)
    plane.answers("CreateClientToken", response)

    token = await client.sessions.create_token("node.voice", ttl=90, uses=3, actor_id="ann")

    call = plane.heard[0]
    assert call.metadata["x-actor-id"] == "ann"
    assert call.request == service_pb.CreateClientTokenRequest(
        target="node.voice", ttl=duration(90), uses=3
    )
    assert (token.token, token.token_id, token.target) == ("afs_s3cret", "start_1", "node.voice")
    assert (token.uses, token.expires_at) == (3, AT)
    assert "s3cret" not in repr(token)


async def test_a_start_sends_what_was_chosen_and_returns_what_a_client_needs(
    plane: FakePlane, client: Client
) -> None:
    response = service_pb.StartSessionResponse(
        session_id="sess_1",
        session_token="s3cret",  # noqa: S106 - of nothing
        modalities=["audio"],
        tool_targets={"close": "node.close"},
        turn_detection=pb.TurnDetection(
            type=pb.TURN_DETECTION_TYPE_SERVER_VAD, threshold=0.0, create_response=True
        ),
        offer_url="/offer",
        state=pb.SESSION_STATE_PENDING,
    )
    response.connect_by.FromDatetime(AT)
    plane.answers("StartSession", response)

    started = await client.sessions.start(
        "node.voice", model="m", voice="v", metadata={"n": 1}, actor_id="ann"
    )

    call = plane.heard[0]
    assert call.metadata["x-actor-id"] == "ann"
    assert call.request.request_id
    call.request.request_id = ""
    assert call.request == service_pb.StartSessionRequest(
        target="node.voice", model="m", voice="v", metadata=b'{"n":1}'
    )
    assert (started.session_id, started.session_token) == ("sess_1", "s3cret")
    assert (started.state, started.offer_url, started.connect_by) == ("pending", "/offer", AT)
    assert (started.tool_targets, started.modalities) == ({"close": "node.close"}, ("audio",))
    assert started.turn_detection == TurnDetection(
        type="server_vad",
        threshold=0.0,
        prefix_padding_ms=None,
        silence_duration_ms=None,
        eagerness="",
        create_response=True,
        interrupt_response=None,
        idle_timeout_ms=None,
    )
    assert "s3cret" not in repr(started)


async def test_a_start_is_repeated_with_the_same_id(plane: FakePlane, client: Client) -> None:
    plane.answers("StartSession", AWAY, service_pb.StartSessionResponse())

    await client.sessions.start("node.voice", provider="openai", transport="webrtc")

    first, second = plane.requests("StartSession")
    assert first == second
    assert (first.provider, first.transport) == ("openai", "webrtc")


async def test_an_offer_and_its_answer_pass_as_they_are(plane: FakePlane, client: Client) -> None:
    plane.answers("RealtimeOffer", service_pb.RealtimeOfferResponse(answer_sdp="v=0\r\nanswer "))

    assert await client.sessions.offer("sess_1", "v=0\r\n offer\n") == "v=0\r\nanswer "

    request = plane.requests("RealtimeOffer")[0]
    assert (request.session_id, request.offer_sdp) == ("sess_1", "v=0\r\n offer\n")


async def test_a_sessions_token_stands_in_place_of_a_key(plane: FakePlane) -> None:
    plane.answers("RealtimeOffer", service_pb.RealtimeOfferResponse())

    async with Client(plane.address, api_key="token") as client:
        await client.sessions.offer("sess_1", "v=0")

    assert plane.heard[0].metadata["authorization"] == "Bearer token"


async def test_a_tool_runs_as_an_execution(plane: FakePlane, client: Client) -> None:
    plane.answers(
        "InvokeTool", service_pb.InvokeToolResponse(execution_id="exec_1", run_id="run_1")
    )

    handle = await client.sessions.invoke_tool(
        "sess_1", "label", target="node.close", input={"x": 1}, timeout=2
    )
    await client.sessions.invoke_tool("sess_1", "close", call_id="call_1", request_id="mine")

    assert (handle.execution_id, handle.run_id) == ("exec_1", "run_1")
    first, second = plane.requests("InvokeTool")
    assert (first.session_id, first.tool, first.target) == ("sess_1", "label", "node.close")
    assert (first.input, first.timeout.ToMilliseconds()) == (b'{"x":1}', 2000)
    assert first.request_id
    assert second == service_pb.InvokeToolRequest(
        session_id="sess_1", tool="close", call_id="call_1", request_id="mine"
    )


async def test_a_session_is_a_plain_value(plane: FakePlane, client: Client) -> None:
    plane.answers(
        "GetSession",
        service_pb.GetSessionResponse(
            session=pb.Session(
                session_id="sess_1",
                state=pb.SESSION_STATE_ENDED,
                end_reason=pb.SESSION_END_REASON_CLIENT_HANGUP,
                handler=pb.HANDLER_STATE_RETURNED,
                declaration=pb.SessionDeclaration(
                    name="voice",
                    tools=["close"],
                    metadata=b'{"team": "a"}',
                    transcription=pb.Transcription(off=True),
                    limits=pb.SessionLimits(idle_timeout=duration(1.5)),
                    tool_options=[pb.ToolOptions(tool="close", timeout=duration(3))],
                    data_channel=pb.DATA_CHANNEL_REFUSE,
                ),
                effective=pb.EffectiveConfiguration(tool_targets={"close": "node.close"}),
                usage=b'{"tokens": 3}',
                provider_calls=[pb.ProviderCall(state=pb.PROVIDER_CALL_STATE_OPEN)],
                turns=[
                    pb.Turn(role=pb.TURN_ROLE_USER, text="Hi", channel="audio"),
                    pb.Turn(
                        role=pb.TURN_ROLE_AGENT,
                        channel="audio",
                        metadata=b'{"n": 1}',
                        full_text="A",
                    ),
                ],
            )
        ),
    )

    found = await client.sessions.get("sess_1")

    assert (found.state, found.end_reason, found.handler) == ("ended", "client_hangup", "returned")
    declared = found.declaration
    assert declared is not None
    assert (declared.tools, declared.metadata) == (("close",), {"team": "a"})
    assert (declared.data_channel, declared.turn_detection) == ("refuse", None)
    assert declared.transcription is not None
    assert declared.transcription.off
    assert declared.limits is not None
    assert (declared.limits.idle_timeout, declared.limits.max_duration) == (1.5, None)
    assert [option.timeout for option in declared.tool_options] == [3.0]
    assert found.effective is not None
    assert found.effective.tool_targets == {"close": "node.close"}
    assert (found.usage, found.provider_calls[0].state) == ({"tokens": 3}, "open")
    assert found.turns == (
        SessionTurn(text="Hi", transcript="Hi"),
        SessionTurn(text="", role="agent", metadata={"n": 1}, full_text="A"),
    )


async def test_lists_of_sessions_go_on_to_the_last_page(plane: FakePlane, client: Client) -> None:
    one = pb.Session(session_id="sess_1")
    more: dict[str, Any] = {"next_page_token": "more"}
    plane.answers(
        "ListSessions",
        service_pb.ListSessionsResponse(sessions=[one, one], **more),
        service_pb.ListSessionsResponse(sessions=[one]),
    )
    plane.answers(
        "ListSessionWorkflows",
        service_pb.ListSessionWorkflowsResponse(workflows=[Workflow(run_id="run_2")], **more),
        service_pb.ListSessionWorkflowsResponse(workflows=[Workflow(run_id="run_1")]),
    )

    sessions = [s.session_id async for s in client.sessions.list(target="node.voice", state="live")]
    workflows = [w.run_id async for w in client.sessions.workflows("sess_1")]

    assert sessions == ["sess_1"] * 3
    asked = plane.requests("ListSessions")
    assert [request.page_token for request in asked] == ["", "more"]
    assert {(request.target, request.state) for request in asked} == {
        ("node.voice", pb.SESSION_STATE_LIVE)
    }
    assert workflows == ["run_2", "run_1"]
    assert [r.page_token for r in plane.requests("ListSessionWorkflows")] == ["", "more"]


async def test_a_state_that_does_not_exist_is_refused(client: Client) -> None:
    with pytest.raises(errors.InvalidArgument, match="state"):
        async for _ in client.sessions.list(state="asleep"):
            pass


async def test_ending_and_deleting_return_what_is_left(plane: FakePlane, client: Client) -> None:
    session = pb.Session(session_id="sess_1", state=pb.SESSION_STATE_ENDED)
    plane.answers("EndSession", service_pb.EndSessionResponse(session=session))
    plane.answers("DeleteSession", service_pb.DeleteSessionResponse(session=session))

    ended = await client.sessions.end("sess_1", detail="Enough.", hangup=True)
    deleted = await client.sessions.delete("sess_1")

    assert ended.state == deleted.state == "ended"
    request = plane.requests("EndSession")[0]
    assert (request.session_id, request.detail, request.hangup) == ("sess_1", "Enough.", True)
    assert plane.requests("DeleteSession")[0].session_id == "sess_1"


async def test_a_watch_yields_events_until_the_session_has_ended(
    plane: FakePlane, client: Client
) -> None:
    plane.answers(
        "WatchSession",
        [
            told(0, "watch.started", b'{"state": "live"}'),
            told(4, "turn.transcribed", b'{"text": "Hi"}'),
            told(5, "session.ended"),
        ],
    )

    events = [event async for event in client.sessions.watch("sess_1", 3)]

    assert plane.requests("WatchSession")[0].after_sequence == 3
    assert events == [
        SessionEvent(sequence=0, type="watch.started", at=AT, data={"state": "live"}),
        SessionEvent(sequence=4, type="turn.transcribed", at=AT, data={"text": "Hi"}),
        SessionEvent(sequence=5, type="session.ended", at=AT, data={}),
    ]


async def test_a_watch_goes_on_from_the_last_number_and_tells_none_twice(
    plane: FakePlane, client: Client
) -> None:
    plane.answers(
        "WatchSession",
        [told(1, "session.started"), told(2, "session.connecting"), AWAY],
        AWAY,
        [told(0, "watch.started"), told(2, "session.connecting"), told(3, "session.live")],
        [told(0, "watch.started"), told(4, "session.ended")],
    )

    assert await sequences(client) == [1, 2, 0, 3, 0, 4]
    asked = [request.after_sequence for request in plane.requests("WatchSession")]
    assert asked == [0, 2, 2, 3]


async def test_a_watch_of_what_was_seen_to_its_end_yields_nothing(
    plane: FakePlane, client: Client
) -> None:
    plane.answers("WatchSession", [])

    assert await sequences(client, after=9) == []
    assert len(plane.heard) == 1


async def test_a_session_that_nobody_knows_is_not_watched_again(
    plane: FakePlane, client: Client
) -> None:
    plane.answers("WatchSession", [errors.SessionNotFound("There is none.")])

    with pytest.raises(errors.SessionNotFound):
        await sequences(client)

    assert len(plane.heard) == 1


async def test_a_node_shows_the_sessions_it_declares(plane: FakePlane, client: Client) -> None:
    node = Node(node_id="node", sessions=[pb.SessionDeclaration(name="voice", has_handler=True)])
    plane.answers("ListNodes", ListNodesResponse(nodes=[node]))

    (found,) = await client.nodes()

    assert [(session.name, session.has_handler) for session in found.sessions] == [("voice", True)]
