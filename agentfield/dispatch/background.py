"""Background work that waits for a store which takes nothing now."""

from __future__ import annotations

__all__ = ["POLL_SECONDS", "until_stored"]

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from agentfield.v1 import errors

T = TypeVar("T")
log = logging.getLogger("agentfield.dispatch")

POLL_SECONDS = 1.0
"""How long a lost hint may delay work."""


async def until_stored(attempt: Callable[[], Awaitable[T]]) -> T:
    """Repeat a background write until the store can take it."""
    while True:
        try:
            return await attempt()
        except errors.StoreUnavailable:
            log.warning("store unavailable, background work waits")
            await asyncio.sleep(POLL_SECONDS)
