"""More calls at once than a client of HTTP has connections if nobody thinks of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentfield import Agent, Client
from agentfield.simulator.caller import calling
from agentfield.testing import control_plane, simulator

pytestmark = pytest.mark.integration

CALLS = 110
AT_ONCE = 8


async def test_more_than_a_hundred_calls_are_live_at_once_and_all_are_hung_up() -> None:
    app = Agent("desk")
    app.add_session("line", provider="openai", transport="webrtc")
    async with (
        simulator() as provider,
        control_plane(simulator=provider) as plane,
        app.serving(),
        calling() as caller,
        Client(plane.grpc_address) as client,
    ):
        offer = await caller.offer()
        slots = asyncio.Semaphore(AT_ONCE)
        async with asyncio.timeout(60), asyncio.TaskGroup() as calls:
            ids = [calls.create_task(goes_live(client, offer, slots)) for _ in range(CALLS)]
        assert len(provider.calls()) == CALLS

        async with asyncio.timeout(60), asyncio.TaskGroup() as ends:
            for session_id in ids:
                ends.create_task(client.sessions.end(session_id.result()))
        await provider.journal.until(lambda _: not provider.calls(), seconds=20)


async def goes_live(client: Any, offer: str, slots: asyncio.Semaphore) -> str:
    """Start a session whose media never comes, and return its id when it is live."""
    async with slots:
        started = await client.sessions.start("desk.line")
        await client.sessions.offer(started.session_id, offer)
        async for event in client.sessions.watch(started.session_id):
            if event.type == "session.live":
                break
        session_id: str = started.session_id
        return session_id
