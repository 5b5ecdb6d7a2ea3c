"""The audio that is being played to the caller, and what becomes of it when it is cut off."""

from __future__ import annotations

__all__ = ["Clip", "Playback"]

from collections import deque
from dataclasses import dataclass

from agentfield.simulator.effects import Hush, Later, Outbox, Play, PlaybackEnds


@dataclass(slots=True, kw_only=True)
class Clip:
    """The audio of one item."""

    response_id: str
    item_id: str
    lasts_ms: int
    started_ms: int | None = None
    complete: bool = False


class Playback:
    """Plays clips one after the other, in the time they take."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._clips: deque[Clip] = deque()

    def add(self, clip: Clip) -> None:
        """Play a clip as soon as those before it have been played."""
        self._clips.append(clip)
        self._start()

    def complete(self, response_id: str, lasts_ms: int) -> None:
        """Take note that a response is done, and how long its audio has become."""
        for clip in self._clips:
            if clip.response_id == response_id:
                clip.complete, clip.lasts_ms = True, lasts_ms
                if clip.started_ms is not None:
                    self._wait(clip, clip.started_ms)
        self._stop_if_over()

    def due(self, item_id: str) -> None:
        """Take note that a clip may have been played to its end."""
        if self._clips and self._clips[0].item_id == item_id:
            self._stop_if_over()

    def cut(self) -> dict[str, int]:
        """Drop all that has not been played; returns how much of each item has been."""
        heard: dict[str, int] = {}
        for clip in self._clips:
            heard[clip.item_id] = 0
            if clip.started_ms is not None:
                heard[clip.item_id] = min(self._outbox.now - clip.started_ms, clip.lasts_ms)
                self._outbox.do(Hush())
                self._outbox.emit("output_audio_buffer.cleared", response_id=clip.response_id)
        self._clips.clear()
        for item_id, ms in heard.items():
            self._outbox.emit(
                "conversation.item.truncated", item_id=item_id, content_index=0, audio_end_ms=ms
            )
        return heard

    def _start(self) -> None:
        clip = self._clips[0]
        if clip.started_ms is None:
            clip.started_ms = self._outbox.now
            self._outbox.do(Play())
            self._outbox.emit("output_audio_buffer.started", response_id=clip.response_id)
            self._wait(clip, clip.started_ms)

    def _wait(self, clip: Clip, started_ms: int) -> None:
        left = max(0, started_ms + clip.lasts_ms - self._outbox.now)
        self._outbox.do(Later(after_ms=left, timer=PlaybackEnds(item_id=clip.item_id)))

    def _stop_if_over(self) -> None:
        if not self._clips:
            return
        clip = self._clips[0]
        over = clip.started_ms is not None and self._outbox.now >= clip.started_ms + clip.lasts_ms
        if over and clip.complete:
            self._clips.popleft()
            self._outbox.do(Hush())
            self._outbox.emit("output_audio_buffer.stopped", response_id=clip.response_id)
            if self._clips:
                self._start()
