"""The model's side of a conversation: its responses, one at a time, and their interruption."""

from __future__ import annotations

__all__ = ["Speaker"]

from collections.abc import Iterator

from agentfield.simulator.effects import Generates, Json, Later
from agentfield.simulator.items import text_of
from agentfield.simulator.prompter import Prompter
from agentfield.simulator.refusals import Refused, checked_object, unknown_parameter
from agentfield.simulator.response import Response, Surroundings

_PARAMETERS = {
    "audio",
    "conversation",
    "input",
    "instructions",
    "max_output_tokens",
    "metadata",
    "output_modalities",
    "parallel_tool_calls",
    "prompt",
    "reasoning",
    "tool_choice",
    "tools",
}


class Speaker:
    """Creates responses, moves them forward and stops them."""

    def __init__(self, *, surroundings: Surroundings, prompter: Prompter) -> None:
        self._in = surroundings
        self._prompter = prompter
        self._running: dict[str, tuple[Response, Iterator[int]]] = {}
        self._audio_ms: dict[str, int] = {}

    @property
    def has_spoken(self) -> bool:
        """Whether there has been any audio of the model."""
        self._note_audio()
        return bool(self._audio_ms)

    def audio_ms(self, item_id: str) -> int:
        """Return how much audio of an item there is."""
        self._note_audio()
        return self._audio_ms.get(item_id, 0)

    def shorten(self, item: Json, audio_ms: int) -> None:
        """Forget what was not heard of an item, and with it its transcript."""
        self._audio_ms[item["id"]] = audio_ms
        if item["content"]:
            item["content"] = [{"type": "output_audio"}]

    def create(self, request: Json, session: Json) -> None:
        """Begin a response; refused while another one is busy with the conversation."""
        for key in request:
            if key not in _PARAMETERS:
                raise unknown_parameter(f"response.{key}")
        active = self._active()
        if active and request.get("conversation") != "none":
            raise Refused(
                "Conversation already has an active response in progress: "
                f"{active.id}. Wait until the response is finished before creating a new one.",
                code="conversation_already_has_active_response",
            )
        asked = self._request_words(request)
        reply = self._prompter.reply(asked or self._in.items.last_words(), requested=bool(asked))
        response = Response(reply=reply, request=request, session=session, surroundings=self._in)
        self._running[response.id] = (response, response.run())
        self.advance(response.id)

    def advance(self, response_id: str) -> None:
        """Generate the next piece of a response, and all that follow without delay."""
        if response_id not in self._running:
            return
        response, pieces = self._running[response_id]
        for wait_ms in pieces:
            if wait_ms:
                timer = Generates(response_id=response_id)
                self._in.outbox.do(Later(after_ms=wait_ms, timer=timer))
                return
        self._forget(response)

    def cancel(self, response_id: str | None) -> None:
        """Stop generating; what has been generated is still played."""
        response = self._active()
        if response_id is not None:
            response = self._running[response_id][0] if response_id in self._running else None
        if response is None:
            raise Refused(
                "Cancellation failed: no active response found", code="response_cancel_not_active"
            )
        self._forget(response)
        response.finish("cancelled", "client_cancelled")

    def interrupt(self) -> None:
        """Give way to the caller: stop generating and drop what has not been played."""
        response = self._active()
        if response is not None:
            self._forget(response)
        heard = self._cut()
        if response is not None:
            response.finish("cancelled", "turn_detected")
        self._shorten(heard)

    def clear(self) -> None:
        """Drop what has not been played, because the client says so."""
        self._shorten(self._cut())

    def playback_may_be_over(self, item_id: str) -> None:
        """Take note that the audio of an item may have been played to its end."""
        if self._in.playback is not None:
            self._in.playback.due(item_id)

    def _cut(self) -> dict[str, int]:
        return self._in.playback.cut() if self._in.playback else {}

    def _shorten(self, heard: dict[str, int]) -> None:
        for item_id, ms in heard.items():
            if self._in.items.has(item_id):
                self.shorten(self._in.items.get(item_id, verb="truncate"), ms)

    def _active(self) -> Response | None:
        return next((each for each, _ in self._running.values() if each.in_conversation), None)

    def _forget(self, response: Response) -> None:
        self._audio_ms |= response.audio_ms
        del self._running[response.id]

    def _note_audio(self) -> None:
        for response, _ in self._running.values():
            self._audio_ms |= response.audio_ms

    def _request_words(self, request: Json) -> str:
        words = [str(request.get("instructions") or "")]
        for number, given in enumerate(request.get("input") or []):
            item = checked_object(given, f"response.input[{number}]")
            if item.get("type") == "item_reference":
                item = self._in.items.get(str(item.get("id")), verb="retrieve")
            words.append(text_of(item) or str(item.get("output", "")))
        return "\n".join(words).strip()
