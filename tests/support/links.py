"""Calls that nobody listens to for a while."""

from __future__ import annotations

__all__ = ["UNKNOWN", "Hands", "is_live_again"]

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from agentfield.live.registry import Registry
from agentfield.testing import Simulator
from agentfield.v1 import session_pb2
from support.live import Line

UNKNOWN = session_pb2.SPEECH_OUTCOME_UNKNOWN


class Hands:
    """Takes a session out of the hands of the server that starts next, and gives it back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.registry: Registry
        make = Registry.__init__

        def noted(registry: Registry, *parts: Any, **facts: Any) -> None:
            make(registry, *parts, **facts)
            self.registry = registry

        monkeypatch.setattr(Registry, "__init__", noted)

    @asynccontextmanager
    async def away(self, line: Line) -> AsyncIterator[Simulator]:
        """Let nobody attend to a session while the block runs, and the provider be listened to."""
        provider, call_id = line.desk.provider, await line.external_id()
        await self.registry.let_go(line.session_id)
        line.follow_from(line.log.events[-1].sequence if line.log.events else 0)
        url = f"{provider.base_url}/realtime"
        async with (
            aiohttp.ClientSession(headers={"Authorization": "Bearer simulated"}) as http,
            http.ws_connect(url, params={"call_id": call_id}),
        ):
            yield provider
        await self.take_up(line)

    async def take_up(self, line: Line) -> None:
        session = await self.registry.shared.store.get(line.session_id)
        assert session is not None
        await self.registry.take_up(session)


async def is_live_again(line: Line) -> None:
    """Wait until a session is live after its next gap."""
    gap = await line.until("provider.gap")
    while (await line.until("session.live")).sequence < gap.sequence:
        pass
