from __future__ import annotations

import pytest
from unit.sdk.fake_plane import FakePlane

from agentfield.v1 import errors
from agentfield.v1.agent_service_pb2 import Goodbye, WorkRequest
from agentfield_sdk.connection import Connection
from agentfield_sdk.stream import WorkStream

pytestmark = pytest.mark.unit

GOODBYE = WorkRequest(goodbye=Goodbye())


async def test_a_server_that_does_not_read_is_given_up_without_waiting(
    plane: FakePlane, connection: Connection
) -> None:
    stream = WorkStream(connection.agents.Work(), max_outbox=1)

    stream.say(GOODBYE)
    stream.say(GOODBYE)

    with pytest.raises(errors.ServerUnreachable, match="broken off"):
        await stream.hear()


async def test_a_stream_that_fails_is_heard_and_ends_its_writer(
    plane: FakePlane, connection: Connection
) -> None:
    stream = WorkStream(connection.agents.Work())
    (await plane.work()).breaks(errors.PermissionDenied("Not you."))

    with pytest.raises(errors.PermissionDenied, match="Not you"):
        await stream.hear()

    stream.say(GOODBYE)
    await stream.write()


async def test_a_stream_that_the_server_ends_is_heard_as_none(
    plane: FakePlane, connection: Connection
) -> None:
    stream = WorkStream(connection.agents.Work())
    work = await plane.work()
    work.welcomes()
    work.ends()

    first = await stream.hear()

    assert first is not None
    assert first.HasField("welcome")
    assert await stream.hear() is None
