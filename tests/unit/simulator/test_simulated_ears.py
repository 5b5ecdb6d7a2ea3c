"""How the simulator tells speech from silence."""

from __future__ import annotations

from typing import Any

import pytest

from agentfield.simulator.tone import pcm_tone
from agentfield.simulator.vad import SpeechDetector, loudness

pytestmark = pytest.mark.unit

SERVER_VAD = {
    "type": "server_vad",
    "threshold": 0.5,
    "silence_duration_ms": 500,
    "prefix_padding_ms": 100,
}


def decisions(
    levels: list[tuple[float, int]], detection: dict[str, Any] | None
) -> list[tuple[str, int]]:
    detector = SpeechDetector()
    every = [detector.feed(level, 20, detection) for level, ms in levels for _ in range(ms // 20)]
    return [decision for decision in every if decision is not None]


def test_speech_begins_with_padding_and_ends_after_the_silence() -> None:
    said = [(0.0, 1000), (0.2, 600), (0.0, 1000)]
    assert decisions(said, SERVER_VAD) == [("started", 900), ("stopped", 2100)]


def test_a_pause_shorter_than_the_silence_is_part_of_the_speech() -> None:
    said = [(0.0, 200), (0.2, 200), (0.0, 400), (0.2, 200), (0.0, 600)]
    assert [what for what, _ in decisions(said, SERVER_VAD)] == ["started", "stopped"]


def test_a_click_is_not_speech() -> None:
    assert decisions([(0.0, 200), (0.9, 40), (0.0, 1000)], SERVER_VAD) == []


def test_a_higher_threshold_needs_louder_speech() -> None:
    said = [(0.03, 400), (0.0, 1000)]
    assert decisions(said, SERVER_VAD)
    assert not decisions(said, SERVER_VAD | {"threshold": 0.9})


def test_semantic_detection_waits_for_half_a_second() -> None:
    said = [(0.0, 400), (0.2, 200), (0.0, 1000)]
    assert decisions(said, {"type": "semantic_vad"}) == [("started", 100), ("stopped", 1100)]


def test_no_speech_begins_before_the_last_one_ended() -> None:
    said = [(0.0, 400), (0.2, 200), (0.0, 200), (0.2, 200), (0.0, 200)]
    briefly = SERVER_VAD | {"silence_duration_ms": 100, "prefix_padding_ms": 300}
    assert decisions(said, briefly) == [
        ("started", 100),
        ("stopped", 700),
        ("started", 700),
        ("stopped", 1100),
    ]


def test_speech_that_does_not_end_is_cut_where_it_has_lasted_long_enough() -> None:
    detector = SpeechDetector(full_level=1, longest_ms=1000)
    every = [detector.feed(0.9, 20, SERVER_VAD) for _ in range(120)]
    assert [decision for decision in every if decision is not None] == [
        ("started", 0),
        ("stopped", 1000),
        ("started", 1000),
        ("stopped", 2000),
        ("started", 2000),
    ]


def test_likelihood_is_held_against_the_threshold_itself() -> None:
    for level, heard in ((0.4, False), (0.6, True)):
        detector = SpeechDetector(full_level=1)
        assert any(detector.feed(level, 20, SERVER_VAD) for _ in range(10)) is heard


def test_nothing_is_detected_when_the_client_commits() -> None:
    assert decisions([(0.9, 400), (0.0, 1000)], None) == []


def test_a_tone_is_loud_and_silence_is_not() -> None:
    assert len(pcm_tone(20)) == 960
    assert loudness(pcm_tone(20)) > 0.1
    assert loudness(bytes(960)) == 0
    assert loudness(b"") == 0
