"""Sessions over HTTP: offers as they are, and events that a reader resumes."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from urllib.parse import quote

import pytest
from unit.gateway.scripted_transport import Gateway

from agentfield.v1 import errors
from agentfield.v1 import session_pb2 as session
from agentfield.v1 import session_service_pb2 as pb

pytestmark = pytest.mark.unit

OFFER = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=ü \x00\ufeff\r\n\na=mid:0".encode()
ANSWER = b"\xef\xbb\xbfv=0\r\na=\xc3\xbc\r\rm=audio"
EVENTS = "/api/v1/session-instances/sess_1/events"
FAMILIES = ["/api/v1/session-instances", "/api/v1/sessions"]
both = pytest.mark.parametrize("family", FAMILIES)


def event(sequence: int, kind: str = "turn.committed") -> pb.WatchSessionResponse:
    made = session.SessionEvent(sequence=sequence, type=kind, data=b'{"schema":1}')
    return pb.WatchSessionResponse(event=made)


def request_of(gateway: Gateway) -> pb.RealtimeOfferRequest:
    found: pb.RealtimeOfferRequest = gateway.plane.heard[-1].request
    return found


@both
@pytest.mark.parametrize(
    "content_type", ["application/sdp", "text/plain; charset=utf-16", "application/json", ""]
)
async def test_offer_and_answer_pass_byte_for_byte(
    gateway: Gateway, family: str, content_type: str
) -> None:
    gateway.plane.answers["RealtimeOffer"] = pb.RealtimeOfferResponse(answer_sdp=ANSWER.decode())

    answer = await gateway.post(
        f"{family}/sess_1/realtime-offer", OFFER, headers={"Content-Type": content_type}
    )

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/sdp")
    assert await answer.read() == ANSWER
    assert request_of(gateway) == pb.RealtimeOfferRequest(
        session_id="sess_1", offer_sdp=OFFER.decode()
    )


@both
async def test_the_other_fields_of_an_offer_come_in_the_query(
    gateway: Gateway, family: str
) -> None:
    asserted = "provider=openai&transport=webrtc&target=desk.talk&model=m%201&voice="

    await gateway.post(f"{family}/sess_1/realtime-offer?{asserted}", b"v=0")

    assert request_of(gateway) == pb.RealtimeOfferRequest(
        session_id="sess_1",
        offer_sdp="v=0",
        provider="openai",
        transport="webrtc",
        target="desk.talk",
        model="m 1",
    )


@pytest.mark.parametrize(
    ("query", "body", "says"),
    [
        ("", b"v=0\r\n\xff", "not at byte 5"),
        ("?colour=red", b"v=0", "'colour'"),
        ("?offer_sdp=v", b"v=0", "'offer_sdp' comes in the body"),
        ("?session_id=sess_2", b"v=0", "'session_id'"),
    ],
)
async def test_a_wrong_offer_is_a_clear_400(
    gateway: Gateway, query: str, body: bytes, says: str
) -> None:
    answer = await gateway.post(f"{FAMILIES[0]}/sess_1/realtime-offer{query}", body)

    found = await answer.json()
    assert (answer.status, found["reason"]) == (400, "INVALID_ARGUMENT")
    assert says in found["error"]
    assert not gateway.plane.heard


async def test_how_large_an_offer_may_be_is_for_the_control_plane_to_say(
    gateway: Gateway,
) -> None:
    gateway.plane.answers["RealtimeOffer"] = errors.PayloadTooLarge("An offer has 64 KiB.")
    large = b"v=0\r\n" + b"a=x\r\n" * 50_000

    answer = await gateway.post(f"{FAMILIES[0]}/sess_1/realtime-offer", large)

    assert (answer.status, (await answer.json())["reason"]) == (413, "PAYLOAD_TOO_LARGE")
    assert len(request_of(gateway).offer_sdp) == len(large)


async def test_an_offer_has_the_gateway_s_limit_as_every_body_does(
    gateway_with: Callable[..., Awaitable[Gateway]],
) -> None:
    gateway = await gateway_with(max_body_bytes=1000)

    answer = await gateway.post(f"{FAMILIES[0]}/sess_1/realtime-offer", b"v" * 1001)

    assert answer.status == 413
    assert not gateway.plane.heard


async def test_an_offer_that_fails_is_json_like_every_error(gateway: Gateway) -> None:
    gateway.plane.answers["RealtimeOffer"] = errors.SessionNotFound(
        "No such session.", metadata={"session_id": "sess_1"}
    )

    answer = await gateway.post(f"{FAMILIES[1]}/sess_1/realtime-offer", b"v=0")

    assert (answer.status, answer.content_type) == (404, "application/json")
    assert await answer.json() == {
        "error": "No such session.",
        "message": "No such session.",
        "reason": "SESSION_NOT_FOUND",
        "details": {"session_id": "sess_1"},
        "session_id": "sess_1",
    }


@pytest.mark.parametrize("family", ["/api/v1/session-targets", "/api/v1/sessions"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"provider":"","transport":"","model":"","voice":""}',
        b'{"provider":null,"transport":null}',
    ],
)
async def test_a_start_needs_no_body_and_an_empty_string_is_unset(
    gateway: Gateway, family: str, body: bytes
) -> None:
    gateway.plane.answers["StartSession"] = pb.StartSessionResponse(
        session_id="sess_1", tool_targets={"find": "desk.find"}
    )

    answer = await gateway.post(f"{family}/desk.talk.now/start", body)

    assert answer.status == 201
    found = await answer.json()
    assert (found["session_id"], found["tool_targets"]) == ("sess_1", {"find": "desk.find"})
    assert gateway.plane.heard[-1].request == pb.StartSessionRequest(target="desk.talk.now")


async def test_a_start_as_existing_clients_send_it_is_taken(gateway: Gateway) -> None:
    body = b'{"provider":"","transport":"","model":"","voice":"","metadata":{"n": 1.0}}'

    answer = await gateway.post(
        "/api/v1/sessions/desk.talk/start",
        body,
        headers={"Authorization": "Bearer key", "Idempotency-Key": "once"},
    )

    assert answer.status == 201
    heard = gateway.plane.heard[-1]
    assert heard.metadata == {"authorization": "Bearer key"}
    assert heard.request == pb.StartSessionRequest(
        target="desk.talk", metadata=b'{"n": 1.0}', request_id="once"
    )


@pytest.mark.parametrize("body", [b"{", b"provider=openai", b"[]", b'{"provider":1}'])
async def test_a_start_with_a_malformed_body_is_a_clear_400(gateway: Gateway, body: bytes) -> None:
    answer = await gateway.post("/api/v1/session-targets/desk.talk/start", body)

    assert (answer.status, (await answer.json())["reason"]) == (400, "INVALID_ARGUMENT")
    assert not gateway.plane.heard


@both
async def test_a_tool_call_passes_its_input_as_it_is(gateway: Gateway, family: str) -> None:
    gateway.plane.answers["InvokeTool"] = pb.InvokeToolResponse(
        execution_id="exec_1", run_id="run_1"
    )

    empty = await gateway.post(f"{family}/sess_1/tools/find%2Fall")
    full = await gateway.post(
        f"{family}/sess_1/tools/find",
        b'{"target": "desk.find", "input": {"n": 1.0}, "call_id": "call_1"}',
    )

    assert (empty.status, full.status) == (202, 202)
    assert (full.headers["X-Execution-ID"], full.headers["X-Run-ID"]) == ("exec_1", "run_1")
    assert [heard.request for heard in gateway.plane.heard] == [
        pb.InvokeToolRequest(session_id="sess_1", tool="find/all"),
        pb.InvokeToolRequest(
            session_id="sess_1",
            tool="find",
            target="desk.find",
            input=b'{"n": 1.0}',
            call_id="call_1",
        ),
    ]


async def test_an_event_of_the_log_carries_its_number_as_id_and_others_none(
    gateway: Gateway,
) -> None:
    for message in (event(0, "watch.started"), event(7), event(0, "turn.delta"), event(8), None):
        gateway.plane.messages.put_nowait(message)

    answer = await gateway.get(EVENTS)

    assert answer.headers["Content-Type"] == "text/event-stream"
    events = [part.split(b"\n") for part in (await answer.read()).split(b"\n\n")[:-1]]
    assert [lines[:-1] for lines in events] == [[], [b"id: 7"], [], [b"id: 8"]]
    shown = [json.loads(lines[-1].removeprefix(b"data: ")) for lines in events]
    assert shown[1] == {"sequence": 7, "type": "turn.committed", "data": {"schema": 1}}


async def test_a_failure_of_a_watch_has_no_id(gateway: Gateway) -> None:
    for message in (event(7), errors.ServerDraining("Come again.")):
        gateway.plane.messages.put_nowait(message)

    text = await (await gateway.get(EVENTS)).read()

    assert text.split(b"\n\n")[1].startswith(b"event: error\ndata: ")


@pytest.mark.parametrize(
    ("query", "last", "after"),
    [
        ("", "", 0),
        ("", "12", 12),
        ("", "0", 0),
        ("?after_sequence=5", "", 5),
        ("?after_sequence=5", "12", 12),
        ("?after_sequence=12", "5", 5),
    ],
)
async def test_a_watch_goes_on_after_the_last_event_seen(
    gateway: Gateway, query: str, last: str, after: int
) -> None:
    gateway.plane.messages.put_nowait(None)

    await gateway.get(EVENTS + query, headers={"Last-Event-ID": last} if last else {})

    assert gateway.plane.heard[-1].request == pb.WatchSessionRequest(
        session_id="sess_1", after_sequence=after
    )


@pytest.mark.parametrize("last", ["abc", "-1", "1.0", "0x1", "1 2", "٣", "9" * 19, "9" * 25])
async def test_a_last_event_id_that_is_no_number_is_a_clear_400(
    gateway: Gateway, last: str
) -> None:
    answer = await gateway.get(EVENTS, headers={"Last-Event-ID": last})

    assert (answer.status, (await answer.json())["reason"]) == (400, "INVALID_ARGUMENT")
    assert not gateway.plane.heard


async def test_a_watch_with_nothing_left_to_send_is_a_204(gateway: Gateway) -> None:
    gateway.plane.messages.put_nowait(None)

    answer = await gateway.get(EVENTS, headers={"Last-Event-ID": "9"})

    assert (answer.status, await answer.read()) == (204, b"")
    assert gateway.plane.given_up.is_set()


async def test_a_stream_that_nobody_resumes_is_never_a_204(gateway: Gateway) -> None:
    gateway.plane.messages.put_nowait(None)

    answer = await gateway.get(
        "/api/v1/executions/exec_1/events", headers={"Last-Event-ID": "ignored"}
    )

    assert (answer.status, answer.content_type) == (200, "text/event-stream")


async def test_a_watch_of_no_session_is_a_404(gateway: Gateway) -> None:
    gateway.plane.messages.put_nowait(errors.SessionNotFound("No such session."))

    answer = await gateway.get(EVENTS)

    assert (answer.status, (await answer.json())["reason"]) == (404, "SESSION_NOT_FOUND")


async def test_sessions_are_read_ended_and_deleted(gateway: Gateway) -> None:
    path = f"{FAMILIES[0]}/{quote('sess_1')}"
    gateway.plane.answers["GetSession"] = pb.GetSessionResponse(
        session=session.Session(session_id="sess_1", usage=b'{"total":1.0}')
    )

    shown = await gateway.get(path)
    await gateway.get(f"{FAMILIES[0]}?state=live&target=desk.talk&page_size=3")
    await gateway.post(f"{path}/end", b'{"detail":"enough"}')
    await gateway.send("DELETE", path)
    await gateway.get(f"{path}/workflows?page_size=3")

    assert b'"usage":{"total":1.0}' in await shown.read()
    assert [heard.request for heard in gateway.plane.heard[1:]] == [
        pb.ListSessionsRequest(state=session.SESSION_STATE_LIVE, target="desk.talk", page_size=3),
        pb.EndSessionRequest(session_id="sess_1", detail="enough"),
        pb.DeleteSessionRequest(session_id="sess_1"),
        pb.ListSessionWorkflowsRequest(session_id="sess_1", page_size=3),
    ]
