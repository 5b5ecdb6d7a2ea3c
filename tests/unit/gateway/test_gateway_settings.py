"""The command line of a gateway that runs alone, and when it refuses to start."""

from __future__ import annotations

import pytest
from unit.gateway.scripted_transport import ScriptedTransport

from agentfield.v1 import errors
from agentfield.v1 import server_service_pb2 as pb
from agentfield_gateway.__main__ import Refused, Unanswered, refuse_without_keys
from agentfield_gateway.settings import read_settings

pytestmark = pytest.mark.unit

ANYWHERE = ["--http-bind", "0.0.0.0:8080"]
NO_KEYS = pb.GetServerInfoResponse(auth_mode=pb.AUTH_MODE_NONE)


def test_a_flag_wins_over_the_variable_of_its_name() -> None:
    environment = {
        "AGENTFIELD_HTTP_BIND": "127.0.0.1:1",
        "AGENTFIELD_GRPC": "plane:8180",
        "AGENTFIELD_ALLOWED_HOSTS": "a.example, b.example",
        "AGENTFIELD_CORS_ORIGINS": "https://a.example",
        "AGENTFIELD_MAX_PAYLOAD_BYTES": "1000",
        "AGENTFIELD_INSECURE": "1",
    }

    settings = read_settings(["--http-bind", "127.0.0.1:2"], environment)

    assert settings.gateway.http_bind == "127.0.0.1:2"
    assert settings.grpc == "plane:8180"
    assert settings.gateway.allowed_hosts == ("a.example", "b.example")
    assert settings.gateway.cors_origins == ("https://a.example",)
    assert settings.gateway.max_body_bytes == 1000 + 64 * 1024
    assert settings.insecure


@pytest.mark.parametrize(
    "flags",
    [
        ["--http-bind", "8080"],
        ["--http-bind", "localhost:port"],
        ["--http-bind", "localhost:65536"],
        ["--max-payload-bytes", "0"],
        ["--max-payload-bytes", "many"],
    ],
)
def test_a_value_that_makes_no_sense_is_refused(flags: list[str]) -> None:
    with pytest.raises(ValueError, match=r"must be|invalid"):
        read_settings(flags, {})


async def test_it_does_not_listen_to_everyone_for_a_plane_without_keys() -> None:
    plane = ScriptedTransport(answers={"GetServerInfo": NO_KEYS})

    with pytest.raises(Refused, match="--insecure") as caught:
        await refuse_without_keys(plane, read_settings(ANYWHERE, {}))

    assert caught.value.code == 1


async def test_it_does_not_listen_to_everyone_for_a_plane_it_cannot_ask() -> None:
    plane = ScriptedTransport(answers={"GetServerInfo": errors.ServerUnreachable("Gone.")})

    with pytest.raises(Unanswered, match="SERVER_UNREACHABLE") as caught:
        await refuse_without_keys(plane, read_settings(ANYWHERE, {}))

    assert caught.value.code == 3


async def test_it_listens_to_everyone_for_a_plane_that_asks_for_keys() -> None:
    plane = ScriptedTransport(answers={"GetServerInfo": errors.Unauthenticated("Who is it?")})

    await refuse_without_keys(plane, read_settings(ANYWHERE, {}))

    assert plane.heard


@pytest.mark.parametrize(
    "flags",
    [
        [*ANYWHERE, "--insecure"],
        ["--http-bind", "127.0.0.1:0"],
        ["--http-bind", "[::1]:0"],
        ["--http-bind", "localhost:0"],
    ],
)
async def test_on_loopback_or_told_so_it_does_not_ask(flags: list[str]) -> None:
    plane = ScriptedTransport(answers={"GetServerInfo": NO_KEYS})

    await refuse_without_keys(plane, read_settings(flags, {}))

    assert not plane.heard
