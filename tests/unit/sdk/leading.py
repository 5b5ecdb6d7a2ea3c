"""Handlers that lead a session of the fake control plane."""

from __future__ import annotations

__all__ = ["led_by", "outcome"]

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from unit.sdk.declared import OPENAI
from unit.sdk.fake_plane import FakeHandling, FakePlane, leave, serving

from agentfield_sdk import (
    Agent,
    RealtimeSession,
)

Handler = Callable[[RealtimeSession], Any]


@asynccontextmanager
async def led_by(
    handler: Handler, app: Agent, plane: FakePlane, **start: Any
) -> AsyncIterator[FakeHandling]:
    """Serve a handler of the session `voice`, and give it a session; leave once it has reported."""
    app.session("voice", **OPENAI)(handler)
    async with serving(app, plane) as work:
        work.starts(**start)
        handling = await plane.handling()
        yield handling
        await plane.until_heard("ReportHandler")
        await leave(app, work)


def outcome(plane: FakePlane) -> tuple[int, int, str]:
    (report,) = plane.requests("ReportHandler")
    return report.attempt, report.outcome, report.error
