"""gRPC and HTTP over TLS, with certificates of this test's own: who trusts whom."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import ClientConnectorCertificateError, ClientSession
from support.certificates import Authority
from support.plane import config_for
from support.processes import world

from agentfield import Client
from agentfield.app import App, running
from agentfield.process.tls import TlsFiles
from agentfield.v1 import errors
from agentfield.v1.node_service_pb2 import ListNodesRequest
from agentfield.v1.server_service_pb2 import GetServerInfoRequest
from agentfield_sdk import Connection

pytestmark = [pytest.mark.integration, pytest.mark.any_database]


@dataclass(frozen=True, slots=True, kw_only=True)
class Secured:
    """A server over TLS, and who signed its certificate."""

    app: App
    authority: Authority

    @property
    def grpc(self) -> str:
        return f"grpcs://{self.app.grpc_address}"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def secured(tmp_path: Path, authority: Authority, files: TlsFiles) -> AsyncIterator[Secured]:
    config = replace(config_for(tmp_path / "data"), http_bind="127.0.0.1:0", tls=files)
    async with running(config) as app:
        yield Secured(app=app, authority=authority)


@pytest.fixture
async def server(tmp_path: Path, authority: Authority) -> AsyncIterator[Secured]:
    async with secured(tmp_path, authority, authority.issue()) as found:
        yield found


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch, authority: Authority) -> None:
    monkeypatch.setenv("AGENTFIELD_TLS_CA", str(authority.file))


async def nodes_over(address: str) -> list[str]:
    async with Client(address) as client:
        return [node.node_id for node in await client.nodes()]


async def health_over(server: Secured, authority: Authority) -> str:
    context = ssl.create_default_context(cafile=authority.file)
    async with (
        ClientSession(f"https://{server.app.http_address}") as http,
        http.get("/readyz", ssl=context) as answer,
    ):
        return str((await answer.json())["status"])


async def page_told(address: str) -> str:
    async with Connection(address) as connection:
        asked = GetServerInfoRequest()
        return (await connection.call(connection.server.GetServerInfo, asked)).http_url


@pytest.mark.usefixtures("trusting")
async def test_where_its_page_is_it_tells_as_one_reaches_it(server: Secured) -> None:
    assert await page_told(server.grpc) == f"https://{server.app.http_address}"


@pytest.mark.usefixtures("trusting")
async def test_who_trusts_its_authority_is_served_over_grpc_and_https(server: Secured) -> None:
    assert await nodes_over(server.grpc) == []
    assert await health_over(server, server.authority) == "ready"


async def test_who_does_not_is_told_so_at_once(
    server: Secured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = Authority(tmp_path, "stranger")
    monkeypatch.setenv("AGENTFIELD_TLS_CA", str(stranger.file))

    with pytest.raises(errors.ServerUnreachable, match="AGENTFIELD_TLS_CA must name"):
        await nodes_over(server.grpc)
    with pytest.raises(ClientConnectorCertificateError):
        await health_over(server, stranger)


@pytest.mark.usefixtures("trusting")
async def test_a_certificate_of_another_host_is_refused(
    tmp_path: Path, authority: Authority
) -> None:
    async with secured(tmp_path, authority, authority.issue(host="example.org")) as server:
        with pytest.raises(errors.ServerUnreachable, match="not of the host"):
            await nodes_over(server.grpc)


@pytest.mark.usefixtures("trusting")
async def test_a_certificate_that_has_expired_is_refused(
    tmp_path: Path, authority: Authority
) -> None:
    expired = authority.issue(valid=timedelta(days=-1))
    async with secured(tmp_path, authority, expired) as server:
        with pytest.raises(errors.ServerUnreachable, match="has expired"):
            await nodes_over(server.grpc)


@pytest.mark.usefixtures("trusting")
async def test_tls_to_a_server_without_it_is_told_so(tmp_path: Path) -> None:
    async with running(config_for(tmp_path / "data")) as app:
        with pytest.raises(errors.ServerUnreachable, match="does not speak TLS"):
            await nodes_over(f"grpcs://{app.grpc_address}")


async def test_new_files_count_from_the_next_handshake_on(
    server: Secured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    successor = Authority(tmp_path, "successor")
    successor.issue("server")

    monkeypatch.setenv("AGENTFIELD_TLS_CA", str(successor.file))
    assert await nodes_over(server.grpc) == []
    assert await health_over(server, successor) == "ready"
    with pytest.raises(ClientConnectorCertificateError):
        await health_over(server, server.authority)


@pytest.mark.usefixtures("trusting")
async def test_files_that_are_broken_change_nothing(
    server: Secured, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "server.key").write_text("half a file")

    assert await nodes_over(server.grpc) == []
    assert await health_over(server, server.authority) == "ready"
    assert "new certificate cannot be used" in [record.message for record in caplog.records]


@pytest.mark.usefixtures("trusting")
async def test_callers_over_grpc_show_a_certificate_where_that_is_asked(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = replace(authority.issue(), client_ca=authority.file)
    agent = authority.issue("agent")
    stranger = Authority(tmp_path, "stranger").issue("foreign")
    async with secured(tmp_path, authority, files) as server:
        for shown in (None, stranger):
            if shown is not None:
                monkeypatch.setenv("AGENTFIELD_CLIENT_CERT", str(shown.cert))
                monkeypatch.setenv("AGENTFIELD_CLIENT_KEY", str(shown.key))
            async with Client(server.grpc) as client:
                with pytest.raises(errors.ServerUnreachable):
                    await client._connection.call(
                        client._connection.nodes.ListNodes, ListNodesRequest(), retry_for=0
                    )
        monkeypatch.setenv("AGENTFIELD_CLIENT_CERT", str(agent.cert))
        monkeypatch.setenv("AGENTFIELD_CLIENT_KEY", str(agent.key))

        assert await nodes_over(server.grpc) == []
        # The gateway is in the same process, and its callers need none.
        assert await health_over(server, authority) == "ready"


@pytest.mark.usefixtures("trusting")
async def test_a_gateway_and_the_command_line_reach_it_over_tls(
    server: Secured, tmp_path: Path, authority: Authority
) -> None:
    own = authority.issue("gateway")
    listening = [f"--tls-cert={own.cert}", f"--tls-key={own.key}", "--http-bind=127.0.0.1:0"]
    async with world(tmp_path) as processes:
        gateway = await processes.program(
            "-m", "agentfield_gateway", f"--grpc={server.grpc}", *listening
        )
        address = json.loads(await gateway.line())["http"]
        listed = await processes.program(
            "-m", "agentfield_cli", "--server", server.grpc, "node", "list"
        )
        assert json.loads(await listed.line()) == {"nodes": []}

        context = ssl.create_default_context(cafile=authority.file)
        async with (
            ClientSession(f"https://{address}") as http,
            http.get("/readyz", ssl=context, headers={"Origin": f"https://{address}"}) as answer,
        ):
            assert await answer.json() == {"status": "ready"}


async def test_who_speaks_no_tls_leaves_no_line_of_another_kind_in_the_log(
    tmp_path: Path, authority: Authority
) -> None:
    files = authority.issue()
    async with world(tmp_path) as processes:
        server = await processes.server(f"--tls-cert={files.cert}", f"--tls-key={files.key}")
        for address in (processes.grpc, processes.http):
            reader, writer = await asyncio.open_connection(*address.split(":"))
            writer.write(b"GET / HTTP/1.1\r\n\r\n" * 10)
            with suppress(ConnectionError):
                await reader.read()
            writer.close()
        await server.terminate()

        lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert lines[-1]["message"] == "draining"
