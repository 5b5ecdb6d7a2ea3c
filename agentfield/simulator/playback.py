"""The audio that is being played to the caller, and what becomes of it when it is cut off."""

from __future__ import annotations

__all__ = ["Playback"]

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from agentfield.simulator.effects import Hush, Later, Outbox, Play, PlaybackEnds


@dataclass(slots=True, kw_only=True)
class _Part:
    """Audio that is played without a pause."""

    ms: int
    packets: Sequence[bytes] | None
    starts_ms: int = 0

    def played(self, now: int) -> int:
        return min(max(0, now - self.starts_ms), self.ms)


@dataclass(slots=True, kw_only=True)
class _Clip:
    """The audio of one item."""

    response_id: str
    item_id: str
    waiting: list[_Part] = field(default_factory=list)
    """What is not yet handed on, since others are being played."""
    parts: list[_Part] = field(default_factory=list)
    complete: bool = False

    @property
    def ends_ms(self) -> int:
        """When everything that has been handed on is over."""
        return self.parts[-1].starts_ms + self.parts[-1].ms if self.parts else 0

    def played(self, now: int) -> int:
        """Return how much has been played."""
        return sum(part.played(now) for part in self.parts)

    def lasts(self, ms: int) -> None:
        """Let the last part be so long that all of them have this length."""
        every = [*self.parts, *self.waiting]
        if every:
            every[-1].ms += ms - sum(part.ms for part in every)


class Playback:
    """Plays the audio of one item after that of the other, in the time it takes."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._clips: deque[_Clip] = deque()
        self._cut: set[str] = set()

    def add(
        self, *, response_id: str, item_id: str, ms: int, packets: Sequence[bytes] | None = None
    ) -> None:
        """Play audio as soon as all before it has been played, unless its item has been cut off.

        Without packets it is a tone.
        """
        if item_id in self._cut:
            return
        clip = next((each for each in self._clips if each.item_id == item_id), None)
        if clip is None:
            clip = _Clip(response_id=response_id, item_id=item_id)
            self._clips.append(clip)
        clip.waiting.append(_Part(ms=ms, packets=packets))
        self._go_on()

    def complete(self, response_id: str, lasts_ms: int) -> None:
        """Take note that a response is done, and how long its audio has become."""
        for clip in self._clips:
            if clip.response_id == response_id:
                clip.complete = True
                clip.lasts(lasts_ms)
                if clip.parts:
                    self._wait(clip)
        self._stop_if_over()

    def due(self, item_id: str) -> None:
        """Take note that a clip may have been played to its end."""
        if self._clips and self._clips[0].item_id == item_id:
            self._stop_if_over()

    def cut(self) -> dict[str, int]:
        """Drop all that has not been played; returns how much of each item has been."""
        heard: dict[str, int] = {}
        for clip in self._clips:
            heard[clip.item_id] = clip.played(self._outbox.now)
            if clip.parts:
                self._outbox.do(Hush())
                self._outbox.emit("output_audio_buffer.cleared", response_id=clip.response_id)
            if not clip.complete:
                self._cut.add(clip.item_id)
        self._clips.clear()
        for item_id, ms in heard.items():
            self._outbox.emit(
                "conversation.item.truncated", item_id=item_id, content_index=0, audio_end_ms=ms
            )
        return heard

    def _go_on(self) -> None:
        """Hand on what waits of the clip that is being played."""
        clip, now = self._clips[0], self._outbox.now
        for part in clip.waiting:
            first = not clip.parts
            part.starts_ms = max(now, clip.ends_ms)
            clip.parts.append(part)
            self._outbox.do(Play(packets=part.packets))
            if first:
                self._outbox.emit("output_audio_buffer.started", response_id=clip.response_id)
            self._wait(clip)
        clip.waiting.clear()

    def _wait(self, clip: _Clip) -> None:
        left = max(0, clip.ends_ms - self._outbox.now)
        self._outbox.do(Later(after_ms=left, timer=PlaybackEnds(item_id=clip.item_id)))

    def _stop_if_over(self) -> None:
        if not self._clips:
            return
        clip = self._clips[0]
        over = bool(clip.parts) and self._outbox.now >= clip.ends_ms
        if over and clip.complete:
            self._clips.popleft()
            if clip.parts[-1].packets is None:
                self._outbox.do(Hush())
            self._outbox.emit("output_audio_buffer.stopped", response_id=clip.response_id)
            if self._clips:
                self._go_on()
