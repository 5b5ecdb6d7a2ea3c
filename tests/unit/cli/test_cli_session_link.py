"""``af session link``: the address it prints, and what it says of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from unit.cli.scripted_plane import Af, Plane

from agentfield.v1 import errors
from agentfield.v1 import server_service_pb2 as server_pb
from agentfield.v1 import session_service_pb2 as pb
from agentfield_cli.session_link import place_of

pytestmark = pytest.mark.unit

AT = datetime(2026, 1, 2, 12, 30, tzinfo=UTC)
HERE = "http://127.0.0.1:9090"
SECRET = "afs_a-b_c"  # noqa: S105 - of nothing


def made(target: str = "desk.talk", uses: int = 1) -> pb.CreateClientTokenResponse:
    response = pb.CreateClientTokenResponse(token=SECRET, target=target, uses=uses)
    response.expires_at.FromDatetime(AT)
    return response


def announces(plane: Plane, url: str) -> None:
    plane.answers("GetServerInfo", server_pb.GetServerInfoResponse(http_url=url))


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AGENTFIELD_SERVER", raising=False)


def test_stdout_is_the_address_alone(af: Af, plane: Plane) -> None:
    announces(plane, HERE)
    plane.answers("CreateClientToken", made())

    ran = af("session", "link", "desk.talk")

    assert ran.code == 0
    assert ran.out == f"{HERE}/#target=desk.talk&start_token={SECRET}\n"
    until = AT.astimezone().strftime("%H:%M:%S")
    assert ran.err == (f"note: whoever opens it can talk to desk.talk: until {until}, for 1 call\n")
    assert plane.requests("CreateClientToken") == [
        pb.CreateClientTokenRequest(target="desk.talk", uses=1)
    ]


def test_the_token_stands_in_the_fragment_which_no_server_gets_to_see(af: Af, plane: Plane) -> None:
    announces(plane, HERE)
    plane.answers("CreateClientToken", made("desk.täglich & mehr"))

    address = urlsplit(af("session", "link", "desk.täglich & mehr").out.strip())

    assert (address.path, address.query) == ("/", "")
    assert parse_qs(address.fragment) == {
        "target": ["desk.täglich & mehr"],
        "start_token": [SECRET],
    }


@pytest.mark.parametrize(
    ("ttl", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1h", 3600), ("1.5 m", 90)]
)
def test_a_ttl_is_said_as_people_say_it(af: Af, plane: Plane, ttl: str, seconds: int) -> None:
    announces(plane, HERE)
    plane.answers("CreateClientToken", made(uses=3))

    ran = af("session", "link", "desk.talk", "--ttl", ttl, "--uses", "3")

    (request,) = plane.requests("CreateClientToken")
    assert (request.ttl.ToMilliseconds(), request.uses) == (seconds * 1000, 3)
    assert "for 3 calls" in ran.err


def test_a_ttl_that_is_no_time_is_a_wrong_request(af: Af, plane: Plane) -> None:
    ran = af("session", "link", "desk.talk", "--ttl", "soon")

    assert (ran.code, ran.out) == (2, "")
    assert "ttl" in ran.err
    assert not plane.heard


@pytest.mark.parametrize("by", ["flag", "variable"])
def test_the_gateway_may_be_named(
    af: Af, plane: Plane, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane.answers("CreateClientToken", made())
    if by == "variable":
        monkeypatch.setenv("AGENTFIELD_SERVER", "https://talk.example/")
    flags = ("--page", "https://talk.example/") if by == "flag" else ()

    ran = af("session", "link", "desk.talk", *flags)

    assert ran.out.startswith("https://talk.example/#target=")
    assert [heard.rpc for heard in plane.heard] == ["CreateClientToken"]


def test_more_calls_than_can_be_asked_for_are_refused(af: Af, plane: Plane) -> None:
    ran = af("session", "link", "desk.talk", "--uses", "99999999999")

    assert (ran.code, ran.out) == (2, "")
    assert (
        ran.err == "error: Field 'uses' must be an integer within its range. (INVALID_ARGUMENT)\n"
    )
    assert plane.heard == []


def test_a_control_plane_without_a_gateway_is_told_of(af: Af, plane: Plane) -> None:
    announces(plane, "")
    plane.answers("CreateClientToken", made())

    ran = af("session", "link", "desk.talk")

    assert ran.out.startswith("http://localhost:8080/#target=")
    assert "AGENTFIELD_SERVER" in ran.err


def test_where_a_browser_gives_no_microphone_is_told_of(af: Af, plane: Plane) -> None:
    announces(plane, "http://10.1.2.3:8080")
    plane.answers("CreateClientToken", made())

    assert "microphone" in af("session", "link", "desk.talk").err


def test_as_data_it_has_all_that_is_known(af: Af, plane: Plane) -> None:
    announces(plane, HERE)
    plane.answers("CreateClientToken", made())

    ran = af("session", "link", "desk.talk", "-o", "json")

    found = json.loads(ran.out)
    assert found["link"] == f"{HERE}/#target=desk.talk&start_token={SECRET}"
    assert (found["token"], found["target"], found["uses"]) == (SECRET, "desk.talk", 1)
    assert found["expires_at"] == "2026-01-02T12:30:00Z"
    assert ran.err == ""


def test_what_is_refused_prints_no_address(af: Af, plane: Plane) -> None:
    announces(plane, HERE)
    plane.answers("CreateClientToken", errors.TargetNotFound("session not registered: no talk"))

    ran = af("session", "link", "desk.talk")

    assert (ran.code, ran.out) == (2, "")
    assert "TARGET_NOT_FOUND" in ran.err


@pytest.mark.parametrize(
    ("page", "announced", "server", "place"),
    [
        ("http://a:1/", HERE, "localhost:8180", "http://a:1"),
        ("https://a/agents/", HERE, "localhost:8180", "https://a/agents"),
        ("", HERE, "localhost:8180", HERE),
        ("", "https://0.0.0.0:8443", "grpcs://plane.example:8180", "https://plane.example:8443"),
        ("", "http://[::]:8080", "localhost:8180", "http://localhost:8080"),
        ("", "http://[::]:8080", "[fd00::1]:8180", "http://[fd00::1]:8080"),
        ("", "", "localhost:8180", "http://localhost:8080"),
    ],
)
def test_the_page_is_where_one_can_reach_it(
    page: str, announced: str, server: str, place: str
) -> None:
    assert place_of(page, announced, server) == place


@pytest.mark.parametrize(
    "page", ["localhost:8080", "ftp://a", "http://", "http://a:b", "http://[a", "http://a/#x"]
)
def test_an_address_that_is_none_is_said_to_be_none(page: str) -> None:
    with pytest.raises(errors.InvalidArgument, match="no address of a gateway"):
        place_of(page, "", "localhost:8180")
