"""The gateway as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientError, ClientSession
from support.plane import PATIENCE, Plane, ScriptedWorker

pytestmark = [pytest.mark.e2e, pytest.mark.any_database]

_ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith("AGENTFIELD_")
}
NOBODY = "127.0.0.1:1"


@asynccontextmanager
async def started(*flags: str, **environment: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agentfield_gateway", *flags),
        stdout=PIPE,
        stderr=PIPE,
        env={**_ENVIRONMENT, **environment},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ready(process: Process) -> str:
    """Return the URL it listens on."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        line = json.loads(await process.stdout.readline())
    assert line["event"] == "ready"
    return f"http://{line['http']}"


async def ended(process: Process) -> tuple[int | None, str]:
    """Return its exit code and what it said on stderr."""
    async with asyncio.timeout(PATIENCE):
        _, said = await process.communicate()
    return process.returncode, said.decode()


async def test_it_serves_and_a_signal_lets_calls_finish(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    environment = {"AGENTFIELD_GRPC": plane.app.grpc_address}
    async with started("--http-bind", "127.0.0.1:0", **environment) as process:
        url = await ready(process)
        async with ClientSession(url) as session, asyncio.TaskGroup() as tasks:
            call = tasks.create_task(session.post("/api/v1/execute/n.f"))
            work = worker.accept(await worker.take())
            idle = await session.get("/health")
            await idle.read()

            process.send_signal(signal.SIGTERM)
            await refused(url)
            await worker.report(work, b"1.0")

            async with await call as answer:
                assert b'"result":1.0' in await answer.read()
        code, _ = await ended(process)

    assert (idle.status, code) == (200, 0)


async def refused(url: str) -> None:
    """Wait until nobody listens there any more."""
    async with asyncio.timeout(PATIENCE), ClientSession(url) as session:
        while True:
            try:
                await (await session.get("/health")).read()
            except OSError:
                return


async def cut_off(session: ClientSession) -> None:
    with pytest.raises(ClientError):
        await session.post("/api/v1/execute/n.f")


async def test_a_second_signal_leaves_at_once(plane: Plane) -> None:
    worker = await ScriptedWorker(plane, "n", "f").connect()
    flags = ("--http-bind", "127.0.0.1:0", "--grpc", plane.app.grpc_address)
    async with started(*flags) as process:
        url = await ready(process)
        async with ClientSession(url) as session, asyncio.TaskGroup() as tasks:
            tasks.create_task(cut_off(session))
            await worker.take()
            process.send_signal(signal.SIGTERM)
            await refused(url)
            process.send_signal(signal.SIGTERM)
            code, _ = await ended(process)

    assert code == 1


async def test_it_does_not_listen_to_everyone_without_keys(plane: Plane) -> None:
    flags = ("--http-bind", "0.0.0.0:0", "--grpc", plane.app.grpc_address)
    async with started(*flags) as process:
        code, said = await ended(process)

    assert code == 1
    assert "--insecure" in said


async def test_it_does_not_listen_to_everyone_unasked() -> None:
    async with started("--http-bind", "0.0.0.0:0", "--grpc", NOBODY) as process:
        code, said = await ended(process)

    assert code == 3
    assert NOBODY in said


async def test_on_loopback_it_starts_before_its_control_plane() -> None:
    flags = ("--http-bind", "127.0.0.1:0", "--grpc", NOBODY)
    async with started(*flags) as process, ClientSession(await ready(process)) as session:
        answers = [await session.get(path) for path in ("/", "/health", "/readyz")]
        for answer in answers:
            await answer.read()

    assert [answer.status for answer in answers] == [200, 200, 503]


async def test_an_address_in_use_is_said_to_be_so(plane: Plane) -> None:
    bind = plane.app.grpc_address
    async with started("--http-bind", bind, "--grpc", NOBODY) as process:
        code, said = await ended(process)

    assert code == 3
    assert bind.rpartition(":")[2] in said
    assert "Traceback" not in said
