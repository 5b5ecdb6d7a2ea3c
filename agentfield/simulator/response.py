"""One response of the model, from its creation to its end."""

from __future__ import annotations

__all__ = ["Response", "Surroundings"]

import base64
import json
import re
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from agentfield.simulator.effects import Json, Outbox, Speak, Think
from agentfield.simulator.items import Items
from agentfield.simulator.output import Output
from agentfield.simulator.playback import Playback
from agentfield.simulator.prompter import Prompter
from agentfield.simulator.script import Reply
from agentfield.simulator.senses import Abilities, Sound
from agentfield.simulator.thoughts import thought_of
from agentfield.simulator.tone import pcm_tone
from agentfield.simulator.usage import tokens_of, usage

_MS_PER_CHARACTER = 60
_WORDS_BEFORE_AUDIO = 3
_ARGUMENTS_PIECE = 8
_PACKET_MS = 20
_DELTA_BYTES = 200 * 48
_TOKENS = {"name": "tokens", "limit": 15_000_000, "remaining": 14_999_000, "reset_seconds": 0.004}
_DETAILS: dict[str, Json] = {
    "failed": {
        "error": {
            "type": "server_error",
            "code": "server_error",
            "message": "The server had an error while processing your request.",
        }
    },
    "incomplete": {"reason": "max_output_tokens"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all responses of one conversation share."""

    outbox: Outbox
    items: Items
    prompter: Prompter
    abilities: Abilities
    conversation_id: str
    playback: Playback | None
    """Where audio goes; without it audio is sent as events."""


class Response:
    """Generates output piece by piece; can be cancelled between any two."""

    def __init__(
        self,
        *,
        request: Json,
        asked: str,
        session: Json,
        surroundings: Surroundings,
        may_be_silent: bool = False,
    ) -> None:
        self._request = request
        self._asked = asked
        self._session = session
        self._in = surroundings
        self._may_be_silent = may_be_silent
        self.id = surroundings.outbox.new_id("resp")
        self.in_conversation = request.get("conversation", "auto") != "none"
        self._modalities = request.get("output_modalities") or session["output_modalities"]
        self._audible = self._modalities == ["audio"]
        self._output = Output(
            response_id=self.id,
            outbox=surroundings.outbox,
            items=surroundings.items if self.in_conversation else None,
            speaks=self._audible,
        )
        self._facts = self._described()
        self._given = asked or f"{session['instructions'] or ''}\n{surroundings.items.written()}"
        self._heard_ms = 0 if asked else surroundings.items.heard_ms
        self._sounds: deque[Sound | None] = deque()
        self._decision: Reply | None = None
        self.listens = False
        """Whether it waits for what the caller said."""
        self.audio_ms: dict[str, int] = {}
        """How long the audio is that has been generated, for each item."""

    def run(self) -> Iterator[int | None]:
        """Generate; yields how long the next piece takes, None until something has come for it."""
        self._emit("response.created", status="in_progress", output=[])
        reply = yield from self._decide()
        yield reply.after_ms
        if reply.says:
            yield from self._say(reply)
        if reply.ends == "completed":
            yield from self._call(reply)
        self.finish(reply.ends)

    def decided(self, reply: Reply) -> None:
        """Take what the model does, which was asked for."""
        self._decision = reply

    def spoken(self, sound: Sound | None) -> None:
        """Take the next piece of speech, which was asked for; None is the end of it."""
        self._sounds.append(sound)

    def finish(self, status: str, reason: str | None = None) -> None:
        """End the response, and the item it was busy with."""
        self._output.end("completed" if status == "completed" else "incomplete")
        details = {"reason": reason} if reason else _DETAILS.get(status)
        audio_ms = sum(self.audio_ms.values())
        self._emit(
            "response.done",
            status=status,
            status_details=details and {"type": status} | details,
            output=[dict(item) for item in self._output.items],
            usage=usage(
                words=tokens_of(self._given),
                heard_ms=self._heard_ms,
                output=self._output.items,
                audio_ms=audio_ms,
            ),
        )
        self._in.outbox.emit("rate_limits.updated", rate_limits=[_TOKENS])
        if self._in.playback:
            self._in.playback.complete(self.id, audio_ms)

    def _decide(self) -> Generator[int | None, None, Reply]:
        if self._asked:
            return self._in.prompter.reply(self._asked, requested=True)
        self.listens = True
        while self._in.items.await_words:
            yield None
        self.listens = False
        words = self._in.items.last_words()
        if self._may_be_silent and not words:
            return Reply()
        if not self._in.abilities.thinks:
            return self._in.prompter.reply(words, requested=False)
        thought = thought_of(self._request, self._session, self._in.items)
        self._in.outbox.do(Think(response_id=self.id, thought=thought))
        while self._decision is None:
            yield None
        return Reply(says=self._decision.says, calls=self._decision.calls, word_ms=0)

    def _say(self, reply: Reply) -> Iterator[int | None]:
        item_id = self._output.begin_message()["id"]
        words = re.findall(r"\s*\S+", reply.says)
        if reply.ends != "completed":
            words = words[: (len(words) + 1) // 2]
        if self._audible and self._in.abilities.speaks:
            yield from self._speak(item_id, "".join(words))
        else:
            yield from self._sound(item_id, words, reply)
        while reply.ends == "never":
            yield 3_600_000
        if reply.ends == "completed":
            self._output.end("completed")

    def _sound(self, item_id: str, words: list[str], reply: Reply) -> Iterator[int]:
        """Say words with a tone, or in text."""
        lasts_ms = reply.speaks_ms
        if lasts_ms is None:
            lasts_ms = len(reply.says) * _MS_PER_CHARACTER
        for number, word in enumerate(words, start=1):
            self._output.say(word)
            if self._audible:
                before_ms = self.audio_ms.get(item_id, 0)
                so_far_ms = lasts_ms * len(self._output.said) // len(reply.says)
                self.audio_ms[item_id] = so_far_ms
                if self._in.playback is None:
                    self._send(pcm_tone(so_far_ms - before_ms))
                elif number == min(_WORDS_BEFORE_AUDIO, len(words)):
                    self._in.playback.add(response_id=self.id, item_id=item_id, ms=lasts_ms)
            yield reply.word_ms

    def _speak(self, item_id: str, text: str) -> Iterator[None]:
        """Say words with a voice."""
        voice = self._facts["audio"]["output"]["voice"]
        voice = voice if isinstance(voice, str) else str(voice.get("id"))
        self._in.outbox.do(Speak(response_id=self.id, text=text, voice=voice))
        while True:
            while not self._sounds:
                yield None
            sound = self._sounds.popleft()
            if sound is None:
                return
            for word in re.findall(r"\s*\S+(?:\s+$)?", sound.text):
                self._output.say(word)
            so_far_ms = self.audio_ms.get(item_id, 0)
            if self._in.playback is None:
                self.audio_ms[item_id] = so_far_ms + sound.ms
                for start in range(0, len(sound.pcm), _DELTA_BYTES):
                    self._send(sound.pcm[start : start + _DELTA_BYTES])
            else:
                ms = len(sound.packets) * _PACKET_MS
                self.audio_ms[item_id] = so_far_ms + ms
                self._in.playback.add(
                    response_id=self.id, item_id=item_id, ms=ms, packets=sound.packets
                )

    def _call(self, reply: Reply) -> Iterator[int]:
        if self._request.get("tool_choice", self._session["tool_choice"]) == "none":
            return
        for call in reply.calls:
            arguments = call.arguments
            if not isinstance(arguments, str):
                arguments = json.dumps(dict(arguments), ensure_ascii=False)
            item = self._output.begin_call(call.name)
            for start in range(0, len(arguments), _ARGUMENTS_PIECE):
                self._output.argue(item, arguments[start : start + _ARGUMENTS_PIECE])
                yield reply.word_ms
            self._output.end("completed")

    def _send(self, audio: bytes) -> None:
        self._output.sound(base64.b64encode(audio).decode())

    def _emit(self, kind: str, **facts: object) -> None:
        self._in.outbox.emit(kind, response=self._facts | facts)

    def _described(self) -> Json:
        request, session = self._request, self._session
        output = session["audio"]["output"]
        wanted = (request.get("audio") or {}).get("output") or {}
        return {
            "object": "realtime.response",
            "id": self.id,
            "status_details": None,
            "conversation_id": self._in.conversation_id if self.in_conversation else None,
            "output_modalities": self._modalities,
            "max_output_tokens": request.get("max_output_tokens", session["max_output_tokens"]),
            "audio": {
                "output": {"format": output["format"], "voice": output["voice"]} | wanted,
            },
            "usage": None,
            "metadata": request.get("metadata"),
        }
