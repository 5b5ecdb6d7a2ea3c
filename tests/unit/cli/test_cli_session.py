from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from unit.cli.scripted_plane import FURTHER, MORE, TOKEN, Af, Plane

from agentfield.contract.json import dump
from agentfield.v1 import errors
from agentfield.v1 import session_pb2 as session
from agentfield.v1 import session_service_pb2 as pb

pytestmark = pytest.mark.unit
_FACTS = b'{"n": 9007199254740993}'


def _session(
    session_id: str = "sess_1",
    state: session.SessionState.ValueType = session.SESSION_STATE_LIVE,
) -> session.Session:
    return session.Session(session_id=session_id, target="desk.talk", state=state, usage=_FACTS)


def test_start_writes_the_answer_as_one_line_of_json(af: Af, plane: Plane) -> None:
    started = pb.StartSessionResponse(
        session_id="sess_1", session_token=TOKEN, tool_targets={"find": "desk.find"}
    )
    plane.answers("StartSession", started)

    ran = af("session", "start", "desk.talk")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out == dump(started).decode() + "\n"
    (request,) = plane.requests("StartSession")
    assert request == pb.StartSessionRequest(target="desk.talk", request_id=request.request_id)


def test_start_passes_everything_on_untouched(af: Af, plane: Plane) -> None:
    plane.answers("StartSession", pb.StartSessionResponse())

    af(
        *("-k", "secret", "session", "start", "desk.talk", "--provider", "openai"),
        *("--transport", "webrtc", "--model", "m", "--voice", "v", "--metadata", _FACTS.decode()),
    )

    (heard,) = plane.heard
    assert heard.metadata["authorization"] == "Bearer secret"
    assert heard.request == pb.StartSessionRequest(
        target="desk.talk",
        provider="openai",
        transport="webrtc",
        model="m",
        voice="v",
        metadata=_FACTS,
        request_id=heard.request.request_id,
    )


def test_start_reads_its_metadata_from_a_file(af: Af, plane: Plane, tmp_path: Path) -> None:
    plane.answers("StartSession", pb.StartSessionResponse())
    (tmp_path / "facts.json").write_bytes(_FACTS)

    af("session", "start", "desk.talk", "--metadata", f"@{tmp_path}/facts.json")

    assert plane.requests("StartSession")[0].metadata == _FACTS


def test_start_without_a_key_shows_none(af: Af, plane: Plane) -> None:
    plane.answers("StartSession", pb.StartSessionResponse())

    assert af("session", "start", "desk.talk").code == 0
    assert "authorization" not in plane.heard[0].metadata


def test_start_that_is_sent_again_starts_one_session(af: Af, plane: Plane) -> None:
    plane.answers(
        "StartSession", errors.StoreUnavailable("busy"), pb.StartSessionResponse(session_id="s")
    )

    assert af("session", "start", "desk.talk").code == 0
    first, again = plane.requests("StartSession")
    assert first.request_id == again.request_id != ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.TargetNotFound("no"), 2),
        (errors.UnsupportedSessionTransport("no"), 2),
        (errors.TransportNotServed("no"), 3),
        (errors.PermissionDenied("no"), 3),
    ],
)
def test_start_that_fails_says_why(
    af: Af, plane: Plane, error: errors.AgentFieldError, code: int
) -> None:
    plane.answers("StartSession", error)

    ran = af("session", "start", "desk.talk")

    assert (ran.code, ran.out) == (code, "")
    assert ran.err == f"error: no ({error.reason})\n"


def test_start_refuses_metadata_that_is_no_object_without_asking_anyone(
    af: Af, plane: Plane
) -> None:
    ran = af("session", "start", "desk.talk", "--metadata", "[1]")

    assert ran.code == 2
    assert ran.err == (
        "error: --metadata must be a JSON object of facts, for instance "
        """'{"customer": "Ada"}'. (INVALID_ARGUMENT)\n"""
    )
    assert plane.heard == []


def test_start_on_a_terminal_breaks_no_url_and_no_token(
    af: Af, plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    url = "http://127.0.0.1:8080/api/v1/session-instances/sess_1/realtime-offer?" + "x" * 200
    started = pb.StartSessionResponse(
        session_id="sess_1", offer_url=url, session_token=TOKEN * 30, tool_targets={"a": "b.c"}
    )
    plane.answers("StartSession", started)

    ran = af("session", "start", "desk.talk", terminal=True)

    assert dict(line.split(maxsplit=1) for line in ran.out.splitlines()) == {
        "session_id": "sess_1",
        "tool_targets": '{"a":"b.c"}',
        "offer_url": url,
        "session_token": TOKEN * 30,
    }


def test_list_sends_its_conditions_in_the_contracts_words(af: Af, plane: Plane) -> None:
    plane.answers("ListSessions", pb.ListSessionsResponse(), pb.ListSessionsResponse())

    ran = af("session", "list", "--target", "desk.talk", "--state", "live", "--limit", "7")
    af("session", "list")

    assert (ran.code, ran.out, ran.err) == (0, '{"sessions":[]}\n', "")
    assert plane.requests("ListSessions") == [
        pb.ListSessionsRequest(target="desk.talk", state=session.SESSION_STATE_LIVE, page_size=7),
        pb.ListSessionsRequest(page_size=100),
    ]


def test_list_asks_for_pages_that_the_contract_allows(af: Af, plane: Plane) -> None:
    plane.answers(
        "ListSessions",
        pb.ListSessionsResponse(
            sessions=[_session(str(n)) for n in range(100)], next_page_token=MORE
        ),
        pb.ListSessionsResponse(sessions=[_session("last")], next_page_token=FURTHER),
    )

    ran = af("session", "list", "--limit", "101")

    asked = plane.requests("ListSessions")
    assert [(request.page_size, request.page_token) for request in asked] == [(100, ""), (1, MORE)]
    assert len(json.loads(ran.out)["sessions"]) == 101
    assert ran.err == "note: only the newest 101; --limit shows more\n"


def test_list_refuses_a_state_that_does_not_exist_and_names_those_that_do(
    af: Af, plane: Plane
) -> None:
    ran = af("session", "list", "--state", "happy")

    assert ran.code == 2
    assert "pending, connecting, live, ended" in ran.err
    assert plane.heard == []


def test_list_on_a_terminal_is_a_table(
    af: Af, plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")  # no bold
    plane.answers("ListSessions", pb.ListSessionsResponse(sessions=[_session()]))

    header, row = af("session", "list", terminal=True).out.splitlines()

    assert header.split() == ["session_id", "target", "state", "end_reason", "created_at"]
    assert row.split() == ["sess_1", "desk.talk", "live"]


def test_list_on_a_narrow_terminal_loses_nothing_and_breaks_no_id(
    af: Af, plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")  # one that has a width
    monkeypatch.setenv("COLUMNS", "30")
    session_id = "sess_" + "7" * 26
    plane.answers("ListSessions", pb.ListSessionsResponse(sessions=[_session(session_id)]))

    lines = af("session", "list", terminal=True).out.splitlines()

    first, *rest = lines[next(n for n, line in enumerate(lines) if "sess_7" in line) :]
    assert first.startswith(f"{session_id}  ")
    folded = "".join(line[len(session_id) :].split()[0] for line in (first, *rest))
    assert folded == "desk.talk"


def test_show_writes_the_session_itself(af: Af, plane: Plane) -> None:
    plane.answers("GetSession", pb.GetSessionResponse(session=_session()))

    ran = af("session", "show", "sess_1")

    assert ran.out == dump(_session()).decode() + "\n"
    assert '"usage":{"n": 9007199254740993}' in ran.out
    assert plane.requests("GetSession") == [pb.GetSessionRequest(session_id="sess_1")]


def _conversation() -> session.Session:
    found = _session(state=session.SESSION_STATE_ENDED)
    found.end_reason = session.SESSION_END_REASON_API_ENDED
    found.end_detail = "enough"
    found.run_id = "run_1"
    found.declaration.model, found.declaration.voice = "gpt-realtime-2", "marin"
    found.handler, found.attempt = session.HANDLER_STATE_RETURNED, 2
    found.metadata = b'{"customer": "Ada"}'
    found.created_at.FromJsonString("2026-11-23T12:00:07.250Z")
    found.ended_at.FromJsonString("2026-11-23T12:01:08Z")
    user, agent = session.TURN_ROLE_USER, session.TURN_ROLE_AGENT
    found.turns.add(role=user, text="Hello,\nis there bread?")
    found.turns.add(role=agent, text="We have rye and", interrupted=True)
    found.turns.add(role=user)
    call = found.provider_calls.add(provider_call_id="pcall_1", provider="openai")
    call.external_id, call.state = "rtc_1", session.PROVIDER_CALL_STATE_ENDED
    found.usage = b'{"total_tokens":9007199254740993,"output_token_details":{}}'
    return found


def test_show_for_people_is_what_it_is_what_was_said_and_what_it_used(
    af: Af, plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    plane.answers("GetSession", *[pb.GetSessionResponse(session=_conversation())] * 2)

    shown = af("session", "show", "sess_1", terminal=True).out
    piped = af("session", "show", "sess_1", "-o", "text").out
    monkeypatch.undo()
    time.tzset()

    assert piped == shown
    assert shown.splitlines() == [
        "session   sess_1",
        "target    desk.talk",
        "state     ended: api_ended (enough)",
        "when      2026-11-23: started 12:00:07, ended 12:01:08",
        "run       run_1",
        "model     gpt-realtime-2, marin",
        "handler   returned, attempt 2",
        'metadata  {"customer": "Ada"}',
        "",
        "caller    Hello, is there bread?",
        "agent     We have rye and  (interrupted)",
        "caller    (not written down)",
        "",
        "call      pcall_1  openai  rtc_1  ended",
        "usage     total_tokens=9007199254740993",
    ]


def test_show_for_people_says_nothing_of_what_there_is_not(af: Af, plane: Plane) -> None:
    plane.answers("GetSession", pb.GetSessionResponse(session=session.Session(session_id="s")))

    assert af("session", "show", "s", terminal=True).out == "session   s\n"


def test_show_on_a_terminal_is_nothing_that_anybody_s_words_can_dress_up(
    af: Af, plane: Plane
) -> None:
    found = _session()
    found.turns.add(item_id="item_1", role=session.TURN_ROLE_USER, text="[red]\x1b[2Jhello")
    plane.answers("GetSession", pb.GetSessionResponse(session=found))

    assert "[red]\\x1b[2Jhello" in af("session", "show", "sess_1", terminal=True).out


def test_show_of_no_session_exits_with_2(af: Af, plane: Plane) -> None:
    plane.answers("GetSession", errors.SessionNotFound("no such session"))

    ran = af("session", "show", "sess_1")

    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: no such session (SESSION_NOT_FOUND)\n"


def test_end_passes_the_detail_on_and_writes_the_session(af: Af, plane: Plane) -> None:
    ended = _session(state=session.SESSION_STATE_ENDED)
    plane.answers("EndSession", pb.EndSessionResponse(session=ended))

    ran = af("session", "end", "sess_1", "--detail", "enough")

    assert json.loads(ran.out)["state"] == "ended"
    assert plane.requests("EndSession") == [
        pb.EndSessionRequest(session_id="sess_1", detail="enough")
    ]


def test_end_for_people_is_the_session_its_state_and_why(af: Af, plane: Plane) -> None:
    plane.answers("EndSession", pb.EndSessionResponse(session=_conversation()))

    assert af("session", "end", "sess_1", terminal=True).out.splitlines() == [
        "session   sess_1",
        "state     ended: api_ended (enough)",
    ]


def test_delete_writes_what_stays(af: Af, plane: Plane) -> None:
    plane.answers("DeleteSession", pb.DeleteSessionResponse(session=_session()))

    ran = af("session", "delete", "sess_1")

    assert (ran.code, json.loads(ran.out)["session_id"]) == (0, "sess_1")
    assert plane.requests("DeleteSession") == [pb.DeleteSessionRequest(session_id="sess_1")]


def test_delete_of_a_session_that_goes_on_exits_with_2(af: Af, plane: Plane) -> None:
    plane.answers("DeleteSession", errors.SessionActive("end it first"))

    assert af("session", "delete", "sess_1").code == 2
