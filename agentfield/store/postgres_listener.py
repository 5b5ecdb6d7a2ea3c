"""The connection on which a server hears what others write."""

from __future__ import annotations

__all__ = ["Listener"]

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import asyncpg

from agentfield.store.postgres_connection import TROUBLE, PostgresConnection, connect, reason_of
from agentfield.store.postgres_notices import CHANNEL, opened

log = logging.getLogger("agentfield.store")

RETRY_SECONDS = 0.5
ALIVE_SECONDS = 10.0
"""How often a connection on which nothing is heard is asked whether it is there."""


class Listener:
    """Hears the hints of other servers, on a new connection whenever one is lost."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._heard: Callable[[str, str], None] = _nobody
        self._missed: Callable[[], None] = _nobody

    def attach(self, *, heard: Callable[[str, str], None], missed: Callable[[], None]) -> None:
        """Have each hint told, and that some may have been missed."""
        self._heard, self._missed = heard, missed

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                connection = await connect(self._url)
                try:
                    await self._listen(connection)
                finally:
                    await connection.close()
            except (*TROUBLE, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("other servers are not heard", extra={"reason": reason_of(error)})
                await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self, connection: PostgresConnection) -> None:
        lost = asyncio.Event()

        def on_end(_connection: Any) -> None:
            lost.set()

        connection.driver.add_termination_listener(on_end)
        await connection.driver.add_listener(CHANNEL, self._on_notice)
        self._missed()
        while not lost.is_set():
            try:
                async with asyncio.timeout(ALIVE_SECONDS):
                    await lost.wait()
            except TimeoutError:
                await connection.driver.execute("SELECT 1")
        raise ConnectionError("the connection was lost")

    def _on_notice(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        for topic, key in opened(self._name, str(payload)):
            self._heard(topic, key)


def _nobody(*_: str) -> None:
    """Nothing is attached yet."""
