"""The simulated provider as its plainest client meets it, and what its journal tells."""

from __future__ import annotations

__all__ = ["SCRIPT", "Entry", "Provider", "an_offer", "at_provider", "configure"]

import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp

from agentfield.providers.openai_session import new_session, offer_body, updated_session
from agentfield.sessions.provider import Configuration
from agentfield.simulator.caller import calling
from bench.children import SAYS

SCRIPT = {
    # A caller without media is away from the start; the call goes on until it is hung up.
    "tells_of_leaving": False,
    "replies": [{"when": ".", "says": SAYS, "word_ms": 1, "speaks_ms": 5, "repeats": True}],
}
CONFIGURATION = Configuration(
    model="gpt-realtime",
    voice="marin",
    instructions="",
    modalities=("audio", "text"),
    transcription={"model": "gpt-4o-mini-transcribe"},
)
HEADERS = {"Authorization": "Bearer any"}
TRANSCRIPT_MS = 20
"""How long the transcript of a turn takes."""

Entry = Mapping[str, Any]
"""One entry of the journal."""


class Provider:
    """Calls of one simulator, from this process."""

    def __init__(self, http: aiohttp.ClientSession, origin: str) -> None:
        self._http = http
        self._realtime = f"{origin}/v1/realtime"
        self._control = f"{origin}/simulator"
        self._newest = 0

    async def offer(self, sdp: str) -> str:
        """Make an offer as the control plane makes it; return the call's id."""
        boundary = secrets.token_hex(16)
        body = offer_body(sdp.encode(), new_session(CONFIGURATION), boundary)
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        url = f"{self._realtime}/calls"
        async with self._http.post(url, data=body, headers=HEADERS | kind) as answer:
            answer.raise_for_status()
            await answer.read()
            return answer.headers["Location"].rpartition("/")[2]

    async def hang_up(self, call_id: str) -> None:
        """End a call."""
        url = f"{self._realtime}/calls/{call_id}/hangup"
        async with self._http.post(url, headers=HEADERS) as answer:
            answer.raise_for_status()

    def attached(
        self, call_id: str
    ) -> AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]:
        """Attach to a call."""
        return self._http.ws_connect(self._realtime, params={"call_id": call_id}, headers=HEADERS)

    async def speak(self, call_id: str) -> None:
        """Have the caller say something, without audio."""
        heard = {
            "text": "Where is the hat that I ordered on Monday, please?",
            "after_ms": TRANSCRIPT_MS,
        }
        url = f"{self._control}/calls/{call_id}/speech"
        async with self._http.post(url, json={"heard": heard, "lasts_ms": 1}) as answer:
            answer.raise_for_status()

    async def journal(self, *, after: int = 0, **only: str) -> list[Entry]:
        """Return entries after one, of a ``type``, a ``call_id``, a ``direction``."""
        params = {"after": str(after), **only}
        async with self._http.get(f"{self._control}/journal", params=params) as answer:
            entries: list[Entry] = (await answer.json())["entries"]
            return entries

    async def mark(self) -> int:
        """Return the number of the newest entry."""
        for entry in await self.journal(after=self._newest):
            self._newest = entry["number"]
        return self._newest


async def configure(sideband: aiohttp.ClientWebSocketResponse) -> None:
    """Put the configuration into force, and wait until it is."""
    update = {"type": "session.update", "session": updated_session(CONFIGURATION)}
    await sideband.send_str(json.dumps(update))
    async for message in sideband:
        if json.loads(message.data)["type"] == "session.updated":
            return


@asynccontextmanager
async def at_provider(origin: str) -> AsyncIterator[Provider]:
    """Be a client of the simulator at an address, while the block runs."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        yield Provider(http, origin)


async def an_offer() -> str:
    """Return an offer of audio whose caller is nowhere: it names no address."""
    async with calling(data_channel=False) as caller:
        lines = (await caller.offer()).splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("a=candidate"))
