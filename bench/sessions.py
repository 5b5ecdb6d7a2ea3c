"""Sessions of a control plane, from this process, over the bare contract."""

from __future__ import annotations

__all__ = ["Sessions", "seconds"]

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from agentfield.v1 import session_service_pb2 as pb
from agentfield.v1.session_service_pb2_grpc import SessionServiceStub


class Sessions:
    """What a client does with sessions."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = SessionServiceStub(channel)

    async def start(self, target: str) -> pb.StartSessionResponse:
        """Start a session."""
        return await self._stub.StartSession(pb.StartSessionRequest(target=target))

    async def offer(self, session_id: str, sdp: str) -> str:
        """Make an offer and return its answer."""
        request = pb.RealtimeOfferRequest(session_id=session_id, offer_sdp=sdp)
        answer: str = (await self._stub.RealtimeOffer(request)).answer_sdp
        return answer

    async def call_id(self, session_id: str) -> str:
        """Return the provider's id of the session's call."""
        request = pb.GetSessionRequest(session_id=session_id)
        session = (await self._stub.GetSession(request)).session
        return session.provider_calls[-1].external_id

    async def end(self, session_id: str) -> None:
        """End a session."""
        await self._stub.EndSession(pb.EndSessionRequest(session_id=session_id))

    async def times(self, session_id: str) -> Mapping[str, list[float]]:
        """Return when the events of an ended session were, by type."""
        found: dict[str, list[float]] = {}
        request = pb.WatchSessionRequest(session_id=session_id)
        async for response in self._stub.WatchSession(request):
            if response.event.sequence:
                found.setdefault(response.event.type, []).append(seconds(response.event.at))
        return found

    async def live_again(self, session_id: str, since: float) -> float:
        """Wait until a session is live after a time, and return when it was."""
        stream: Any = self._stub.WatchSession(pb.WatchSessionRequest(session_id=session_id))
        async for response in stream:
            at = seconds(response.event.at)
            if response.event.type == "session.live" and at > since:
                stream.cancel()  # it would go on in the background
                return at
        raise RuntimeError("the session has ended")

    @asynccontextmanager
    async def watched(self, session_id: str) -> AsyncIterator[asyncio.Future[float]]:
        """Watch a session; the value is when it was seen to be live, by this machine's clock."""
        live: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        began = asyncio.Event()

        async def watch() -> None:
            stream: Any = self._stub.WatchSession(pb.WatchSessionRequest(session_id=session_id))
            async for response in stream:
                began.set()
                if response.event.type == "session.live":
                    live.set_result(time.time())
                    stream.cancel()  # it would go on in the background
                    return

        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(watch())
            await began.wait()
            yield live
            watching.cancel()


def seconds(at: Timestamp) -> float:
    """Return a time in seconds since the epoch."""
    return at.ToMicroseconds() / 1e6
