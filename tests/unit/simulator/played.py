"""A model with ears, a mind and a mouth, in virtual time."""

from __future__ import annotations

__all__ = ["ALL", "WEATHER", "Play", "sound"]

from typing import Any

from unit.simulator.stage import Stage
from unit.simulator.words import TRANSCRIBED

from agentfield.simulator import Call, Reply, Script
from agentfield.simulator.effects import Speak, Think, Transcribe
from agentfield.simulator.outcomes import Decided, Failed, Spoken, Transcribed
from agentfield.simulator.senses import Abilities, Sound

ALL = Abilities(hears=True, thinks=True, speaks=True)
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city",
    "parameters": {"type": "object"},
}


def sound(text: str, ms: int = 1000) -> Sound:
    return Sound(
        text=text, pcm=text[0].encode() * ms * 48, packets=[text.encode()] * (ms // 20), ms=ms
    )


class Play:
    """A stage whose model has senses, and what is expected of them."""

    def __init__(self, *, plays_audio: bool = True, **session: Any) -> None:
        wanted = TRANSCRIBED | {"tools": [WEATHER]} | session
        self.stage = Stage(Script(), plays_audio=plays_audio, abilities=ALL, **wanted)

    @property
    def events(self) -> list[dict[str, Any]]:
        return self.stage.events

    def asked(self, kind: type[Any]) -> Any:
        """Return the newest errand of a kind."""
        return [each for each in self.stage.errands if isinstance(each, kind)][-1]

    def hears(self, text: str | None) -> list[dict[str, Any]]:
        item_id = self.asked(Transcribe).item_id
        return self.stage.comes(Transcribed(item_id=item_id, text=text))

    def thinks(self, says: str = "", *calls: Call) -> list[dict[str, Any]]:
        response_id = self.asked(Think).response_id
        reply = Reply(says=says, calls=calls)
        return self.stage.comes(Decided(response_id=response_id, reply=reply))

    def speaks(self, *sounds: Sound | None) -> list[dict[str, Any]]:
        response_id = self.asked(Speak).response_id
        pieces = [self.stage.comes(Spoken(response_id=response_id, sound=each)) for each in sounds]
        return [event for piece in pieces for event in piece]

    def fails(self, kind: type[Any]) -> list[dict[str, Any]]:
        return self.stage.comes(Failed(response_id=self.asked(kind).response_id))

    def answered(self, says: str = "It rains.") -> None:
        """Go as far as the speech that a question is answered with."""
        self.stage.speak()
        self.hears("What is the weather?")
        self.thinks(says)
