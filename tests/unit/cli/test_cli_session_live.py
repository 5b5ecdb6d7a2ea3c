from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from unit.cli.scripted_plane import Af, Plane

from agentfield.v1 import error_reason_pb2, errors
from agentfield.v1 import execution_pb2 as execution
from agentfield.v1 import execution_service_pb2 as execution_service
from agentfield.v1 import session_pb2 as session
from agentfield.v1 import session_service_pb2 as pb
from agentfield_cli import link

pytestmark = pytest.mark.unit

_OFFER = "v=0\r\no=- 1\r\n\ns=ü"
_ANSWER = "\ufeffv=0\r\na=mid:0\r\n\n\rs=ü"
_BIG = b'{"n": 9007199254740993}'


def _event(sequence: int, kind: str, data: bytes = b'{"schema":1}') -> pb.WatchSessionResponse:
    made = session.SessionEvent(sequence=sequence, type=kind, data=data)
    made.at.FromJsonString("2026-11-23T12:00:07Z")
    return pb.WatchSessionResponse(event=made)


def _state(
    status: execution.ExecutionStatus.ValueType, reason: str = "", **fields: object
) -> execution_service.WatchExecutionResponse:
    made = execution.Execution(execution_id="exec_1", target="desk.find", status=status)
    made.MergeFrom(execution.Execution(**fields))  # type: ignore[arg-type]
    if reason:
        made.error_reason = error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{reason}")
    return execution_service.WatchExecutionResponse(execution=made)


def test_the_answer_to_an_offer_is_written_byte_for_byte(af: Af, plane: Plane) -> None:
    plane.answers("RealtimeOffer", pb.RealtimeOfferResponse(answer_sdp=_ANSWER))

    ran = af("session", "offer", "sess_1", stdin=_OFFER.encode())

    assert (ran.code, ran.out, ran.err) == (0, _ANSWER, "")
    assert plane.requests("RealtimeOffer") == [
        pb.RealtimeOfferRequest(session_id="sess_1", offer_sdp=_OFFER)
    ]


def test_an_offer_comes_as_text_from_a_file_or_from_a_pipe(
    af: Af, plane: Plane, tmp_path: Path
) -> None:
    plane.answers("RealtimeOffer", *[pb.RealtimeOfferResponse()] * 3)
    (tmp_path / "offer.sdp").write_bytes(_OFFER.encode())

    af("session", "offer", "sess_1", "--sdp", _OFFER)
    af("session", "offer", "sess_1", "--sdp", f"@{tmp_path}/offer.sdp")
    af("session", "offer", "sess_1", "--sdp", "-", stdin=_OFFER.encode())

    assert [request.offer_sdp for request in plane.requests("RealtimeOffer")] == [_OFFER] * 3


def test_an_offer_carries_what_it_asserts(af: Af, plane: Plane) -> None:
    plane.answers("RealtimeOffer", pb.RealtimeOfferResponse())

    af(
        *("session", "offer", "sess_1", "--sdp", "v=0", "--provider", "openai"),
        *("--transport", "webrtc", "--target", "desk.talk"),
    )

    assert plane.requests("RealtimeOffer") == [
        pb.RealtimeOfferRequest(
            session_id="sess_1",
            offer_sdp="v=0",
            provider="openai",
            transport="webrtc",
            target="desk.talk",
        )
    ]


def test_an_answer_is_json_if_that_is_asked_for(af: Af, plane: Plane) -> None:
    plane.answers("RealtimeOffer", *[pb.RealtimeOfferResponse(answer_sdp=_ANSWER)] * 3)

    as_json, as_pretty, as_yaml = (
        af("session", "offer", "sess_1", "--sdp", "v=0", "-o", form).out
        for form in ("json", "pretty", "yaml")
    )

    assert json.loads(as_json) == {"answer_sdp": _ANSWER}
    assert as_json.count("\n") == 1
    assert json.loads(as_pretty) == yaml.safe_load(as_yaml) == {"answer_sdp": _ANSWER}


def test_an_offer_is_not_read_from_a_terminal(af: Af, plane: Plane) -> None:
    ran = af("session", "offer", "sess_1", terminal=True)

    assert (ran.code, ran.out) == (2, "")
    assert "--sdp - reads from stdin, and stdin is a terminal" in ran.err
    assert plane.heard == []


def test_an_offer_that_is_refused_leaves_stdout_empty(af: Af, plane: Plane) -> None:
    plane.answers("RealtimeOffer", errors.ProviderFailed("no"))

    ran = af("session", "offer", "sess_1", "--sdp", "v=0")

    assert (ran.code, ran.out, ran.err) == (3, "", "error: no (PROVIDER_FAILED)\n")


def test_tool_writes_what_was_stored(af: Af, plane: Plane) -> None:
    plane.answers("InvokeTool", pb.InvokeToolResponse(execution_id="exec_1"))

    ran = af("session", "tool", "sess_1", "find")

    assert (ran.code, json.loads(ran.out)["execution_id"]) == (0, "exec_1")
    (request,) = plane.requests("InvokeTool")
    assert request == pb.InvokeToolRequest(
        session_id="sess_1", tool="find", request_id=request.request_id
    )
    assert request.request_id


def test_tool_passes_everything_on_untouched(af: Af, plane: Plane) -> None:
    plane.answers("InvokeTool", pb.InvokeToolResponse())

    af(
        *("session", "tool", "sess_1", "find", "--target", "desk.find"),
        *("--in", _BIG.decode(), "--call-id", "call_1"),
    )

    (request,) = plane.requests("InvokeTool")
    assert request == pb.InvokeToolRequest(
        session_id="sess_1",
        tool="find",
        target="desk.find",
        input=_BIG,
        call_id="call_1",
        request_id=request.request_id,
    )


def test_a_tool_that_is_not_the_session_s_exits_with_3(af: Af, plane: Plane) -> None:
    plane.answers("InvokeTool", errors.ToolNotAllowed("not yours"))

    assert af("session", "tool", "sess_1", "find", "--wait").code == 3


def test_tool_waits_for_the_end_and_writes_that(af: Af, plane: Plane) -> None:
    plane.answers("InvokeTool", pb.InvokeToolResponse(execution_id="exec_1"))
    plane.answers(
        "WatchExecution",
        _state(execution.EXECUTION_STATUS_RUNNING),
        _state(execution.EXECUTION_STATUS_SUCCEEDED, result=_BIG),
    )

    ran = af("session", "tool", "sess_1", "find", "--wait")

    assert (ran.code, ran.err) == (0, "")
    (line,) = ran.out.splitlines()
    assert '"result":{"n": 9007199254740993}' in line
    assert plane.requests("WatchExecution")[0].execution_id == "exec_1"


@pytest.mark.parametrize(
    ("reason", "code"), [("EXECUTION_FAILED", 3), ("INVALID_INPUT", 2), ("AGENT_LOST", 3)]
)
def test_a_tool_that_fails_is_written_and_says_why(
    af: Af, plane: Plane, reason: str, code: int
) -> None:
    plane.answers("InvokeTool", pb.InvokeToolResponse(execution_id="exec_1"))
    failed = _state(execution.EXECUTION_STATUS_FAILED, reason, error="no ink")
    plane.answers("WatchExecution", failed)

    ran = af("session", "tool", "sess_1", "find", "--wait")

    assert ran.code == code
    assert json.loads(ran.out)["error"] == "no ink"
    assert ran.err == f"error: no ink ({reason})\n"


def test_watch_writes_a_line_for_every_event(af: Af, plane: Plane) -> None:
    plane.answers(
        "WatchSession",
        _event(0, "watch.started"),
        _event(7, "turn.transcribed", b'{"schema":1,"n":9007199254740993}'),
        _event(8, "session.ended"),
    )

    ran = af("session", "watch", "sess_1", "--after", "6")

    events = [json.loads(line) for line in ran.out.splitlines()]
    assert (ran.code, ran.err) == (0, "")
    assert [event["sequence"] for event in events] == [0, 7, 8]
    assert '"data":{"schema":1,"n":9007199254740993}' in ran.out
    assert plane.requests("WatchSession") == [
        pb.WatchSessionRequest(session_id="sess_1", after_sequence=6)
    ]


def test_watch_on_a_terminal_is_a_line_for_people(af: Af, plane: Plane) -> None:
    plane.answers(
        "WatchSession",
        _event(0, "agent.delta", b'{"schema":1,"delta":"Hel"}'),
        _event(9, "agent.said", b'{"schema":1,\n"text":"[red]\xc2\x9b2J hello","n":1}'),
    )

    ran = af("session", "watch", "sess_1", terminal=True)

    (line,) = ran.out.splitlines()
    found = re.fullmatch(r"\d\d:\d\d:07     9  agent\.said            (.*)", line)
    assert found is not None
    assert found[1] == "text=[red]\\x9b2J hello  n=1"


def test_watch_for_people_leaves_out_what_is_empty_and_shortens_all_but_ids(
    af: Af, plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    item_id = "item_" + "x" * 50
    facts: dict[str, object] = {
        "item_id": item_id,
        "text": "word " * 60,
        "detail": "",
        "why": None,
        "tools": {},
        "n": 0,
    }
    usage = {"response_id": "resp_1", "usage": {"input_token_details": {"text_tokens": 1} | facts}}
    plane.answers(
        "WatchSession",
        *(
            _event(1, kind, json.dumps(data).encode())
            for kind, data in (("a", facts), ("b", usage))
        ),
    )

    said, used = af("session", "watch", "sess_1", "-o", "text").out.splitlines()

    assert len(said) == len(used) == 160
    assert f"  item_id={item_id}  text=word word" in said
    assert said.endswith("…  n=0")
    assert "  response_id=resp_1  usage={" in used
    assert used.endswith("…")


def test_watch_for_people_shortens_nothing_that_fits_nor_to_nothing(
    af: Af, plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, half = "x" * 60, b'{"text":"half \\ud83d"}'
    data = json.dumps({"text": text}).encode()
    plane.answers("WatchSession", _event(1, "agent.said", data), _event(2, "agent.said", half))
    wide, broken = af("session", "watch", "sess_1", terminal=True).out.splitlines()
    monkeypatch.setenv("COLUMNS", "20")
    plane.answers("WatchSession", _event(1, "agent.said", data))
    narrow = af("session", "watch", "sess_1", terminal=True).out

    assert wide.endswith(f"text={text}")
    assert broken.endswith("text=half ?")
    assert narrow.endswith(f"text={text[:39]}…\n")


def test_watch_as_json_on_a_terminal_is_every_event(af: Af, plane: Plane) -> None:
    plane.answers("WatchSession", _event(0, "agent.delta"), _event(1, "session.ended"))

    ran = af("session", "watch", "sess_1", "-o", "json", terminal=True)

    assert [json.loads(line)["sequence"] for line in ran.out.splitlines()] == [0, 1]


def test_watch_goes_on_by_itself_after_the_last_event_it_saw(af: Af, plane: Plane) -> None:
    plane.answers(
        "WatchSession",
        _event(1, "session.started"),
        _event(2, "session.live"),
        _event(0, "turn.delta"),
        errors.ServerDraining("going down"),
        errors.ServerDraining("going down"),
        _event(3, "session.ended"),
    )

    ran = af("session", "watch", "sess_1")

    assert ran.code == 0
    assert ran.err == "note: SERVER_DRAINING, trying to go on\n"
    assert [request.after_sequence for request in plane.requests("WatchSession")] == [0, 2, 2]
    assert json.loads(ran.out.splitlines()[-1])["sequence"] == 3


def test_watch_gives_up_when_an_outage_lasts(
    af: Af, plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "_OUTAGE", 0.0)
    plane.answers("WatchSession", _event(1, "session.started"), errors.ServerDraining("going down"))

    ran = af("session", "watch", "sess_1")

    assert ran.code == 3
    assert ran.err.splitlines()[-1] == "error: going down (SERVER_DRAINING)"


def test_watch_of_no_session_exits_with_2(af: Af, plane: Plane) -> None:
    plane.answers("WatchSession", errors.SessionNotFound("no such session"))

    ran = af("session", "watch", "sess_1")

    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: no such session (SESSION_NOT_FOUND)\n"


def test_watch_of_a_session_that_is_over_ends_at_once(af: Af, plane: Plane) -> None:
    plane.answers("WatchSession")

    ran = af("session", "watch", "sess_1", "--after", "9")

    assert (ran.code, ran.out, ran.err) == (0, "", "")
