"""OpenAI Realtime over WebRTC: the offer by HTTP, the call's events by a sideband."""

from __future__ import annotations

__all__ = ["OpenAIRealtime"]

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar
from urllib.parse import quote, urlsplit

import aiohttp

from agentfield.providers.failures import failure, is_passing, refusal
from agentfield.providers.openai_codec import Codec
from agentfield.providers.openai_link import Link
from agentfield.providers.openai_session import new_session, offer_body
from agentfield.providers.profile import Profile
from agentfield.sessions.provider import CallLink, Configuration, Configure, OfferRequest, Taken
from agentfield.v1.errors import ProviderFailed

_T = TypeVar("_T")

_CALL_ID = re.compile(r"[\w-]+", re.ASCII)
_ANSWERS = {"application/sdp", "text/plain"}
"""The second is what the provider sends, the first what it documents."""
_RETRY_S = 0.5
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 0.5
_LATER_PAUSE_S = 5.0
"""The longest pause once an outage has lasted for longer than a new call is waited for."""
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)
"""Deadlines span several steps and are set around them."""
_CLOSING = aiohttp.ClientWSTimeout(ws_close=2.0)


class OpenAIRealtime:
    """One provider of this protocol, at one address, with one key."""

    def __init__(
        self, *, profile: Profile, base_url: str, key: str, http: aiohttp.ClientSession
    ) -> None:
        self._profile = profile
        self._sidebands = f"{base_url.rstrip('/')}/realtime"
        self._calls = f"{self._sidebands}/calls"
        self._key = key
        self._http = http

    async def offer(self, request: OfferRequest, taken: Callable[[str], Awaitable[None]]) -> Taken:
        """Take an offer to the provider and return its answer.

        ``taken`` gets the call's id before the body of the answer is read. Tried once more, if
        time is left, after a 429, a 5xx or no connection at all. Raises ProviderFailed; its
        ``retry_after`` is what the provider asked for.
        """
        deadline = asyncio.get_running_loop().time() + self._profile.offer_timeout_s
        async with await self._accepted(request, deadline) as response:
            location = urlsplit(response.headers.get("Location", "")).path
            call_id = location.rpartition("/")[2]
            if not _CALL_ID.fullmatch(call_id):
                raise failure(self._profile, "no_call_id", "its answer names no call")
            await taken(call_id)
            body = await self._in_time(response.read(), deadline)
            if response.content_type not in _ANSWERS or not body or not _is_text(body):
                raise failure(self._profile, "unexpected_answer", "its answer is no SDP")
            return Taken(answer_sdp=body)

    @asynccontextmanager
    async def attach(
        self,
        external_id: str,
        configuration: Configuration,
        *,
        age: float = 0.0,
        patience: float | None = None,
    ) -> AsyncIterator[CallLink]:
        """Attach to a call that was taken; leaving the block does not end the call.

        One that is older than the attach time is gone if it is not known. Raises ProviderFailed;
        its metadata has ``gone`` = ``true`` for such a call, or one that stayed unknown.
        """
        async with await self._connected(external_id, age, patience) as socket:
            link = Link(socket, Codec(configuration))
            await link.send(Configure(configuration=configuration))
            yield link

    async def hang_up(self, external_id: str) -> bool:
        """Ask for the end of a call; return whether there was one.

        Raises ProviderFailed when that is not known.
        """
        deadline = asyncio.get_running_loop().time() + self._profile.hang_up_timeout_s
        try:
            url = f"{self._calls}/{quote(external_id, safe='')}/hangup"
            async with await self._posted(url, self._authorization(), None, deadline):
                return True
        except ProviderFailed as failed:
            if failed.metadata.get("status") != "404":
                raise
            return False

    async def _accepted(self, request: OfferRequest, deadline: float) -> aiohttp.ClientResponse:
        boundary = secrets.token_hex(16)
        body = offer_body(request.sdp, new_session(request.configuration), boundary)
        headers = self._authorization() | {
            "Accept": "application/sdp",
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "OpenAI-Safety-Identifier": request.safety_identifier,
        }
        try:
            return await self._posted(self._calls, headers, body, deadline)
        except ProviderFailed as failed:
            wait = _RETRY_S if failed.retry_after is None else failed.retry_after
            if not is_passing(failed) or _now() + wait >= deadline:
                raise
        await asyncio.sleep(wait)
        return await self._posted(self._calls, headers, body, deadline)

    async def _posted(
        self, url: str, headers: dict[str, str], body: bytes | None, deadline: float
    ) -> aiohttp.ClientResponse:
        """Return the answer to a request as soon as its headers are there, if it is a success."""
        sent = self._http.post(
            url, headers=headers, data=body, allow_redirects=False, timeout=_NO_TIMEOUT
        )
        response = await self._in_time(sent, deadline)
        if 200 <= response.status < 300:
            return response
        async with response:
            told = await self._in_time(response.read(), deadline)
            raise refusal(self._profile, response.status, response.headers, body=told)

    async def _connected(
        self, external_id: str, age: float, patience: float | None
    ) -> aiohttp.ClientWebSocketResponse:
        """Return a sideband, which a new call may refuse for a while, and a provider in trouble."""
        began_at, usual = _now(), self._profile.attach_for_s
        pause, deadline = _FIRST_PAUSE_S, began_at + (usual if patience is None else patience)
        while True:
            try:
                return await self._handshake(external_id, min(deadline, _now() + usual))
            except ProviderFailed as failed:
                until = began_at + usual - age if _is_gone(failed) else deadline
                wait = max(pause, min(failed.retry_after or 0.0, _LATER_PAUSE_S))
                if _is_final(failed) or _now() + wait >= until:
                    raise
            await asyncio.sleep(wait)
            longest = _LONGEST_PAUSE_S if _now() < began_at + usual else _LATER_PAUSE_S
            pause = min(2 * pause, longest)

    async def _handshake(
        self, external_id: str, deadline: float
    ) -> aiohttp.ClientWebSocketResponse:
        connecting = self._http.ws_connect(
            self._sidebands,
            params={"call_id": external_id},
            headers=self._authorization(),
            heartbeat=self._profile.ping_s,
            max_msg_size=0,
            timeout=_CLOSING,
        )
        headers: Mapping[str, str] = {}
        try:
            return await self._in_time(connecting, deadline)
        except aiohttp.WSServerHandshakeError as error:
            status, headers = error.status, error.headers or headers
        # Not within the handler: that error holds the key.
        if status != 404:
            raise refusal(self._profile, status, headers)
        failed = refusal(self._profile, status, headers, code="call_id_not_found")
        failed.metadata["gone"] = "true"
        raise failed

    async def _in_time(self, step: Awaitable[_T], deadline: float) -> _T:
        """Return what a step of a request returns; raise in our words how it failed on the way."""
        try:
            async with asyncio.timeout_at(deadline):
                return await step
        except aiohttp.WSServerHandshakeError:
            raise
        except TimeoutError:
            code, what = "timeout", "no answer in time"
        except aiohttp.ClientConnectorError:
            code, what = "unreachable", "it cannot be reached"
        except aiohttp.ClientError:
            code, what = "disconnected", "the connection broke"
        raise failure(self._profile, code, what)

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}"}


def _is_gone(failed: ProviderFailed) -> bool:
    return failed.metadata.get("gone") == "true"


def _is_final(failed: ProviderFailed) -> bool:
    """Return whether a handshake failed for a reason that stays."""
    status = failed.metadata.get("status", "")
    return status.startswith(("3", "4")) and status not in {"404", "429"}


def _now() -> float:
    return asyncio.get_running_loop().time()


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
