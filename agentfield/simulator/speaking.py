"""The model's side of a conversation: its responses, one at a time, and their interruption."""

from __future__ import annotations

__all__ = ["Speaker"]

from collections.abc import Iterator
from dataclasses import dataclass

from agentfield.simulator.effects import Generates, Json, Later, Stop
from agentfield.simulator.items import text_of
from agentfield.simulator.refusals import Refused, checked_object, unknown_parameter
from agentfield.simulator.response import Response, Surroundings
from agentfield.simulator.script import Reply
from agentfield.simulator.senses import Sound
from agentfield.simulator.settings import check_tools

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


@dataclass(slots=True)
class _Running:
    response: Response
    pieces: Iterator[int | None]
    waits: bool = False
    """For something to come, and for no timer."""


class Speaker:
    """Creates responses, moves them forward and stops them."""

    def __init__(self, *, surroundings: Surroundings) -> None:
        self._in = surroundings
        self._running: dict[str, _Running] = {}
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

    def create(self, request: Json, session: Json, *, may_be_silent: bool = False) -> None:
        """Begin a response; refused while another one is busy with the conversation.

        One that may be silent says nothing where nothing was said.
        """
        for key in request:
            if key not in _PARAMETERS:
                raise unknown_parameter(f"response.{key}")
        check_tools(request.get("tools") or [], "response.tools")
        active = self._active()
        if active and request.get("conversation") != "none":
            raise Refused(
                "Conversation already has an active response in progress: "
                f"{active.id}. Wait until the response is finished before creating a new one.",
                code="conversation_already_has_active_response",
            )
        response = Response(
            request=request,
            asked=self._request_words(request),
            session=session,
            surroundings=self._in,
            may_be_silent=may_be_silent,
        )
        self._running[response.id] = _Running(response, response.run())
        self.advance(response.id)

    def advance(self, response_id: str) -> None:
        """Generate the next piece of a response, and all that follow without delay."""
        if response_id not in self._running:
            return
        running = self._running[response_id]
        running.waits = False
        for wait_ms in running.pieces:
            if wait_ms is None:
                running.waits = True
                return
            if wait_ms:
                timer = Generates(response_id=response_id)
                self._in.outbox.do(Later(after_ms=wait_ms, timer=timer))
                return
        self._forget(running.response)

    def go_on(self) -> None:
        """Generate what can be, now that something has come that responses may have waited for."""
        for response_id in [key for key, running in self._running.items() if running.waits]:
            self.advance(response_id)

    def decided(self, response_id: str, reply: Reply) -> None:
        """Take what the model does in a response, if it is still wanted."""
        if response_id in self._running:
            self._running[response_id].response.decided(reply)
            self.go_on()

    def spoken(self, response_id: str, sound: Sound | None) -> None:
        """Take a piece of a response's speech, if it is still wanted."""
        if response_id in self._running:
            self._running[response_id].response.spoken(sound)
            self.go_on()

    def fail(self, response_id: str) -> None:
        """End a response that cannot go on, if it is still wanted."""
        if response_id in self._running:
            response = self._running[response_id].response
            self._stop(response)
            response.finish("failed")

    def fail_listeners(self) -> None:
        """End the responses that wait for the words of an utterance: they will not come."""
        for running in list(self._running.values()):
            if running.waits and running.response.listens:
                self.fail(running.response.id)

    def cancel(self, response_id: str | None) -> None:
        """Stop generating; what has been generated is still played."""
        response = self._active()
        if response_id is not None:
            running = self._running.get(response_id)
            response = running.response if running else None
        if response is None:
            raise Refused(
                "Cancellation failed: no active response found", code="response_cancel_not_active"
            )
        self._stop(response)
        response.finish("cancelled", "client_cancelled")

    def interrupt(self) -> None:
        """Give way to the caller: stop generating and drop what has not been played."""
        response = self._active()
        if response is not None:
            self._stop(response)
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
        every = (running.response for running in self._running.values())
        return next((each for each in every if each.in_conversation), None)

    def _stop(self, response: Response) -> None:
        self._forget(response)
        self._in.outbox.do(Stop(response_id=response.id))

    def _forget(self, response: Response) -> None:
        self._audio_ms |= response.audio_ms
        del self._running[response.id]

    def _note_audio(self) -> None:
        for running in self._running.values():
            self._audio_ms |= running.response.audio_ms

    def _request_words(self, request: Json) -> str:
        words = [str(request.get("instructions") or "")]
        for number, given in enumerate(request.get("input") or []):
            item = checked_object(given, f"response.input[{number}]")
            if item.get("type") == "item_reference":
                item = self._in.items.get(str(item.get("id")), verb="retrieve")
            words.append(text_of(item) or str(item.get("output", "")))
        return "\n".join(words).strip()
