"""What the link makes of frames that no text of ours can hold."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import aiohttp
import orjson
import pytest

from agentfield.providers.openai_codec import Codec
from agentfield.providers.openai_link import Link
from agentfield.sessions.provider import Configuration, Heard, LinkClosed, ProviderEvent

pytestmark = pytest.mark.unit

NOTHING = Configuration(model="m", voice="v", instructions="", modalities=("audio",))
CLOSE = SimpleNamespace(type=aiohttp.WSMsgType.CLOSE, data=1000, extra="")


class Socket:
    """Yields these frames, then closes."""

    def __init__(self, *frames: str) -> None:
        text = aiohttp.WSMsgType.TEXT
        self._messages = [*(SimpleNamespace(type=text, data=frame) for frame in frames), CLOSE]

    async def receive(self) -> Any:
        return self._messages.pop(0)


def transcript(escaped: str) -> str:
    kind = "conversation.item.input_audio_transcription.completed"
    return f'{{"type":"{kind}","event_id":"e","item_id":"i","content_index":0,"transcript":"{escaped}"}}'


async def events(*frames: str) -> list[ProviderEvent]:
    socket: Any = Socket(*frames)
    return [event async for event in Link(socket, Codec(NOTHING)).events()]


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        ("so \\ud83d", "so \ufffd"),
        ("\\ude00 so", "\ufffd so"),
        ("so \\ud83d\\ude00", "so \U0001f600"),
        ("\\ud83d\\ud83d\\ude00", "\ufffd\U0001f600"),
    ],
)
async def test_half_a_surrogate_pair_becomes_the_replacement_character(
    escaped: str, text: str
) -> None:
    heard, closed = await events(transcript(escaped))

    assert heard == Heard(item_id="i", text=text)
    assert isinstance(closed, LinkClosed)
    assert orjson.dumps(text)


@pytest.mark.parametrize("frame", ["", "{oops", "[]", '"text"'])
async def test_what_is_no_frame_is_passed_over(frame: str) -> None:
    assert [type(event) for event in await events(frame)] == [LinkClosed]
