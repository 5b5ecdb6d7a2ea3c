"""One call: the session's events, its phone, what is said and when."""

from __future__ import annotations

__all__ = ["Call", "NotAnswered", "Over"]

import asyncio
from collections.abc import Callable, Sequence

import orjson

from agentfield.v1 import session_service_pb2 as pb
from agentfield_cli.link import ask, follow
from agentfield_cli.talk.dialogue import Dialogue
from agentfield_cli.talk.phone import Phone
from agentfield_cli.talk.screen import Screen
from agentfield_sdk.connection import Connection

_SETTLED = 1.0
"""What nothing has followed for so many seconds is followed by nothing."""
_PARTING = 5.0
"""A session whose call is gone says within so many seconds why it ended."""
_CONNECTING = 30.0
_BROKEN = "the connection to the provider broke off"


class Over(Exception):
    """The session has ended, and we have not ended it."""


class NotAnswered(Exception):
    """What was waited for did not happen. Its words say what."""


class Call:
    """A session's call, from the offer on."""

    def __init__(
        self, connection: Connection, session_id: str, phone: Phone, screen: Screen
    ) -> None:
        self.session_id = session_id
        self.dialogue = Dialogue()
        self.unsaid = 0
        """How many utterances have not been said to their end."""
        self._connection = connection
        self._phone = phone
        self._screen = screen
        self._clock = asyncio.get_running_loop().time
        self._changed = phone.changed
        self._news_at = 0.0

    async def place(self) -> None:
        """Make the offer and take its answer."""
        request = pb.RealtimeOfferRequest(session_id=self.session_id)
        request.offer_sdp = await self._phone.offer()
        # The server knows how long the provider may take: no deadline of our own.
        rpc = self._connection.sessions.RealtimeOffer
        answer = await ask(self._connection, rpc, request, timeout=None)
        await self._phone.take(answer.answer_sdp)

    async def follow(self) -> None:
        """Show the session's events until it has ended."""
        request = pb.WatchSessionRequest(session_id=self.session_id)
        rpc = self._connection.sessions.WatchSession
        async for response in follow(self._connection, rpc, request):
            event = response.event
            request.after_sequence = event.sequence or request.after_sequence
            self._screen.show(event)
            self.dialogue.add(event.type, orjson.loads(event.data or b"{}"))
            self._news_at = self._clock()
            self._changed.set()

    async def connected(self) -> None:
        """Wait until the session is live and sound can flow. Raises Over and NotAnswered."""
        connected = await self._until(
            lambda: self._phone.lost or (self._phone.connected and self.dialogue.live),
            until=self._clock() + _CONNECTING,
        )
        if self._phone.lost:
            raise NotAnswered("no connection to the provider came about; is UDP let through?")
        if not connected:
            raise NotAnswered(f"no call came about within {_CONNECTING:g} s")

    async def say_all(
        self, utterances: Sequence[bytes], *, pause: float | None, patience: float
    ) -> None:
        """Say one after the other, and return when the last one is answered.

        Each is said when the one before is answered, or so many seconds after it. Raises Over, and
        NotAnswered when nothing is heard of the agent for ``patience`` seconds.
        """
        self.unsaid = len(utterances)
        await self._answered(0, patience)
        for utterance in utterances:
            turns = self.dialogue.turns + 1
            self._phone.say(utterance)
            await self._until(lambda: self._phone.silent or self._phone.lost)
            self.unsaid -= 1
            if pause is None or not self.unsaid:
                await self._answered(turns, patience)
            else:
                await self._until(lambda: False, until=self._clock() + pause)

    async def ended(self) -> None:
        """Wait until the session ends, or its call. Raises Over and NotAnswered."""
        await self._until(lambda: self._phone.lost)
        await self._until(lambda: False, until=self._clock() + _PARTING)
        raise NotAnswered(_BROKEN)

    async def hang_up(self) -> None:
        """End the session as its client does."""
        request = pb.EndSessionRequest(session_id=self.session_id, hangup=True)
        await ask(self._connection, self._connection.sessions.EndSession, request)

    async def _answered(self, turns: int, patience: float) -> None:
        """Wait until so many turns were heard, and nothing more comes of them."""
        self._news_at = self._clock()
        while True:
            heard = self.dialogue.turns >= turns
            settled = heard and self.dialogue.settled
            limit = _PARTING if self._phone.lost else _SETTLED if settled else patience
            until = max(self._news_at, self._phone.heard_at) + limit
            if self._clock() >= until:
                break
            await self._news(until)
        if self._phone.lost:
            raise NotAnswered(_BROKEN)
        if not heard:
            raise NotAnswered(
                f"the provider heard no speech within {patience:g} s: is there any in the file?"
            )
        if not settled:
            raise NotAnswered(f"the agent did not answer within {patience:g} s; see --patience")

    async def _news(self, until: float) -> None:
        """Wait until anything has changed, or until then. Raises Over."""
        self._changed.clear()
        await self._until(self._changed.is_set, until=until)

    async def _until(self, reached: Callable[[], bool], *, until: float | None = None) -> bool:
        """Wait until it is so, or until then; return whether it is so. Raises Over."""
        try:
            async with asyncio.timeout_at(until):
                while not reached():
                    if self.dialogue.end is not None:
                        raise Over
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True
