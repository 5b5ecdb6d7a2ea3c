"""The user's side: a turn is complete, and its words come, come late, or do not come."""

from __future__ import annotations

import pytest
from unit.sessions.stage import Stage

from agentfield.sessions import effects as e
from agentfield.sessions import provider as p
from agentfield.sessions.declaration import DeclaredLimits
from agentfield.sessions.leading import Leader

pytestmark = pytest.mark.unit

FATES = ("turn.committed", "turn.transcribed", "turn.failed", "turn.timed_out")


def typed(item: str = "user-1", text: str | None = "Hi.", role: str = "user") -> p.ItemAdded:
    return p.ItemAdded(
        item_id=item, previous_item_id="item-0", type="message", role=role, text=text
    )


def test_speech_is_logged_when_it_starts_and_stops() -> None:
    stage = Stage()
    stage.tell(p.SpeechStarted(item_id="u", at_ms=5), p.SpeechStopped(item_id="u", at_ms=9))
    assert stage.one("speech.started") == {"item_id": "u", "at_ms": 5}
    assert stage.one("speech.stopped") == {"item_id": "u", "at_ms": 9}


def test_a_committed_turn_is_transcribed() -> None:
    stage = Stage()
    stage.tell(p.TurnCommitted(item_id="u", previous_item_id="before"))
    assert stage.one("turn.committed") == {
        "item_id": "u",
        "previous_item_id": "before",
        "channel": "audio",
    }
    stage.tell(p.Heard(item_id="u", text=" Hello. \n"))
    assert stage.one("turn.transcribed") == {"item_id": "u", "text": "Hello."}
    assert stage.is_quiet()


def test_a_turn_that_cannot_be_transcribed_says_why() -> None:
    stage = Stage()
    stage.tell(p.TurnCommitted(item_id="u"), p.HeardFailed(item_id="u", code="unclear"))
    assert stage.one("turn.failed") == {"item_id": "u", "code": "unclear"}
    assert stage.is_quiet()


def test_a_transcript_is_late_after_its_timeout_and_still_taken() -> None:
    stage = Stage(limits=DeclaredLimits(transcript_timeout=3))
    stage.tell(p.TurnCommitted(item_id="u"))
    stage.wait(2.9)
    assert stage.log(*FATES) == ["turn.committed"]
    stage.wait(0.1)
    assert stage.one("turn.timed_out") == {"item_id": "u"}
    stage.wait(60)
    stage.tell(p.Heard(item_id="u", text="Hello."))
    assert stage.log(*FATES) == ["turn.committed", "turn.timed_out", "turn.transcribed"]


def test_each_turn_has_its_own_timeout() -> None:
    stage = Stage()
    stage.tell(p.TurnCommitted(item_id="u1"))
    stage.wait(2)
    stage.tell(p.TurnCommitted(item_id="u2"))
    stage.wait(3)
    assert [data["item_id"] for data in stage.logged("turn.timed_out")] == ["u1"]
    stage.wait(2)
    assert [data["item_id"] for data in stage.logged("turn.timed_out")] == ["u1", "u2"]


@pytest.mark.parametrize(
    "early", [p.Heard(item_id="u", text="Hi."), p.HeardFailed(item_id="u", code="x")]
)
def test_words_that_come_before_the_turn_are_not_waited_for(early: p.ProviderEvent) -> None:
    stage = Stage()
    stage.tell(early, p.TurnCommitted(item_id="u"))
    stage.wait(60)
    assert not stage.logged("turn.timed_out")
    assert len(stage.log("turn.transcribed", "turn.failed")) == 1


def test_without_transcription_a_turn_fails_at_once() -> None:
    stage = Stage(transcription=None)
    stage.tell(p.TurnCommitted(item_id="u"))
    assert stage.one("turn.failed") == {"item_id": "u", "code": "transcription_off"}
    assert stage.is_quiet()


def test_noise_is_logged_with_an_empty_transcript() -> None:
    stage = Stage()
    stage.user_says("  ")
    assert stage.one("turn.transcribed")["text"] == ""


def test_pieces_of_a_transcript_are_for_those_who_watch_now() -> None:
    stage = Stage()
    stage.tell(p.HeardDelta(item_id="u", delta="Hel"))
    assert e.Live(type="turn.delta", data={"item_id": "u", "delta": "Hel"}) in stage.effects


def test_a_turn_is_committed_once() -> None:
    stage = Stage(Leader.MODEL)
    stage.tell(p.TurnCommitted(item_id="u"), p.TurnCommitted(item_id="u"), typed("u"))
    assert len(stage.logged("turn.committed")) == 1
    assert stage.asks() == 1


def test_a_typed_turn_is_complete_at_once() -> None:
    stage = Stage()
    stage.tell(typed(), typed())
    assert stage.one("turn.committed") == {
        "item_id": "user-1",
        "previous_item_id": "item-0",
        "channel": "text",
    }
    assert stage.one("turn.transcribed") == {"item_id": "user-1", "text": "Hi."}
    assert stage.is_quiet()


def test_a_typed_turn_needs_no_transcription() -> None:
    stage = Stage(transcription=None)
    stage.tell(typed())
    assert stage.log(*FATES) == ["turn.committed", "turn.transcribed"]


def test_whoever_types_asks_for_the_answer_as_well() -> None:
    stage = Stage(Leader.MODEL)
    stage.tell(typed())
    assert stage.asks() == 0


@pytest.mark.parametrize("item", [typed(role="system"), typed(role="assistant"), typed(text=None)])
def test_what_no_user_typed_is_no_turn(item: p.ItemAdded) -> None:
    stage = Stage()
    stage.tell(item)
    assert not stage.logged("turn.committed")
    assert len(stage.logged("item.added")) == 1


def test_every_item_is_logged() -> None:
    stage = Stage()
    stage.tell(typed())
    assert stage.one("item.added") == {
        "item_id": "user-1",
        "previous_item_id": "item-0",
        "type": "message",
        "role": "user",
    }
