"""What was said: one fold of the log, whatever the order of its events."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentfield.contract.turns import AGENT, USER, HeardTurn, Turns, is_noise

pytestmark = pytest.mark.unit

Told = tuple[str, dict[str, Any]]


def added(item: str, previous: str | None) -> Told:
    return "item.added", {"item_id": item, "previous_item_id": previous}


def committed(item: str, previous: str | None = None, channel: str = "audio") -> Told:
    data = {"item_id": item, "previous_item_id": previous, "channel": channel}
    return "turn.committed", data


def transcribed(item: str, text: str) -> Told:
    return "turn.transcribed", {"item_id": item, "text": text}


def said(item: str, text: str) -> Told:
    return "agent.said", {"item_id": item, "text": text}


def heard(item: str, text: str, full: str, **facts: Any) -> Told:
    return "agent.heard", {"item_id": item, "text": text, "full_text": full, **facts}


def fold(*events: Told) -> Turns:
    turns = Turns()
    for type_, data in events:
        turns.add(type_, data, 7)
    return turns


def order(turns: Turns) -> list[str]:
    return [turn.item_id for turn in turns.history()]


CALL = [
    added("u1", None),
    committed("u1", None),
    transcribed("u1", "Where is it?"),
    added("f1", "u1"),
    added("o1", "f1"),
    added("a1", "o1"),
    said("a1", "It is on its way."),
    heard("a1", "It is on", "It is on its way.", interrupted=True, estimated=True),
    added("u2", "a1"),
    committed("u2", "a1"),
    ("turn.timed_out", {"item_id": "u2"}),
    transcribed("u2", ""),
    added("u3", "u2"),
    committed("u3", "u2"),
    ("turn.failed", {"item_id": "u3", "code": "bad"}),
    added("a2", "u3"),
    said("a2", "Pardon?"),
    heard("a2", "Pardon?", "Pardon?"),
    added("u4", "a2"),
    committed("u4", "a2", "text"),
    transcribed("u4", "Thanks."),
]


def test_turns_come_in_the_order_of_the_conversation() -> None:
    assert order(fold(*CALL)) == ["u1", "a1", "u3", "a2", "u4"]


@st.composite
def reordered(draw: st.DrawFn) -> list[Told]:
    """Shuffle the events of a call as far as the provider may: one item's fate stays in order."""
    moved = list(enumerate(CALL))
    keys = draw(st.lists(st.integers(0, 100), min_size=len(CALL), max_size=len(CALL)))
    latest: dict[tuple[str, str], int] = {}
    ranked = []
    for (number, event), key in zip(moved, keys, strict=True):
        fate = ("fate" if event[0] in FATE else event[0], event[1]["item_id"])
        rank = max(key, latest.get(fate, 0))
        latest[fate] = rank
        ranked.append((rank, number, event))
    return [event for _, _, event in sorted(ranked, key=lambda each: each[:2])]


FATE = {"turn.timed_out", "turn.transcribed", "turn.failed", "agent.said", "agent.heard"}


@given(reordered())
def test_the_fold_does_not_depend_on_the_order_in_which_events_arrive(events: list[Told]) -> None:
    turns = fold(*events)
    assert turns.history() == fold(*CALL).history()
    assert turns.unanswered() == fold(*CALL).unanswered()


@given(st.permutations([added(f"i{n}", f"i{n - 1}" if n else None) for n in range(6)]))
def test_links_alone_make_the_order(links: list[Told]) -> None:
    turns = fold(*links, *(committed(f"i{n}") for n in range(6)))
    assert order(turns) == [f"i{n}" for n in range(6)]


def test_of_two_after_the_same_item_the_later_was_put_between() -> None:
    turns = fold(committed("a"), committed("c", "a"), committed("b", "a"))
    assert order(turns) == ["a", "b", "c"]


def test_what_follows_nothing_known_comes_as_it_was_told_of() -> None:
    assert order(fold(committed("b", "gone"), committed("c"), committed("d", "b"))) == [
        "b",
        "d",
        "c",
    ]


def test_a_circle_of_links_loses_nobody() -> None:
    turns = fold(committed("a", "b"), committed("b", "a"), committed("c", "c"), committed("d"))
    assert sorted(order(turns)) == ["a", "b", "c", "d"]


def test_a_link_once_known_stays() -> None:
    turns = fold(committed("a"), committed("b", "a"), committed("c", "a"), added("b", None))
    assert order(turns) == ["a", "c", "b"]


def test_of_the_agent_counts_what_was_heard() -> None:
    turns = fold(
        said("a", "One two three."),
        heard(
            "a", "One", "One two three.", interrupted=True, estimated=True, metadata={"mood": "x"}
        ),
    )
    assert turns.history() == [
        HeardTurn(
            item_id="a",
            role=AGENT,
            text="One",
            full_text="One two three.",
            finished=True,
            interrupted=True,
            estimated=True,
            metadata={"mood": "x"},
            at=7,
        )
    ]


def test_words_that_are_still_spoken_are_not_heard_yet() -> None:
    (turn,) = fold(said("a", "One.")).history()
    assert (turn.text, turn.full_text, turn.finished) == (None, "One.", False)


def test_noise_is_no_turn() -> None:
    turns = fold(committed("u"), transcribed("u", ""))
    assert turns.history() == []
    assert turns.unanswered() == []


def test_a_turn_that_may_be_noise_is_one_until_it_is_known() -> None:
    (turn,) = fold(committed("u")).history()
    assert not is_noise(turn)
    assert not turn.finished


@pytest.mark.parametrize("fate", ["turn.failed", "turn.timed_out"])
def test_a_turn_whose_words_are_missing_is_finished_and_no_noise(fate: str) -> None:
    (turn,) = fold(committed("u"), (fate, {"item_id": "u"})).history()
    assert (turn.text, turn.finished) == (None, True)


def test_a_late_transcript_still_counts() -> None:
    late = fold(committed("u"), ("turn.timed_out", {"item_id": "u"}), transcribed("u", "Hi."))
    (turn,) = late.history()
    assert (turn.text, turn.finished) == ("Hi.", True)


def test_a_turn_is_unanswered_until_the_agent_has_spoken_after_it() -> None:
    first = [committed("u1"), transcribed("u1", "One?"), committed("u2", "u1")]
    assert [turn.item_id for turn in fold(*first).unanswered()] == ["u1", "u2"]
    answered = [*first, added("a1", "u1"), said("a1", "One.")]
    # Put between the two: the second is still unanswered.
    assert [turn.item_id for turn in fold(*answered).unanswered()] == ["u2"]
    assert fold(*first, added("a2", "u2"), said("a2", "Two.")).unanswered() == []


def test_speech_of_which_nothing_was_heard_answers_nothing() -> None:
    turns = fold(committed("u"), transcribed("u", "Hi."), added("a", "u"), heard("a", "", "Hello."))
    assert [turn.item_id for turn in turns.unanswered()] == ["u"]
    assert order(turns) == ["u"]


def test_a_typed_turn_says_so() -> None:
    (turn,) = fold(committed("u", channel="text"), transcribed("u", "Hi.")).history()
    assert (turn.role, turn.channel, turn.text) == (USER, "text", "Hi.")


def test_a_turn_is_as_old_as_its_first_event() -> None:
    turns = Turns()
    turns.add("turn.committed", {"item_id": "u"}, 5)
    turns.add("turn.transcribed", {"item_id": "u", "text": "Hi."}, 9)
    assert [turn.at for turn in turns.history()] == [5]


def test_whatever_changes_no_turn_is_passed_over() -> None:
    turns = Turns()
    assert turns.add("session.live", {}, 1) is None
    assert turns.add("speech.started", {"item_id": "u"}, 1) is None
    assert turns.add("agent.interrupted", {"item_id": None}, 1) is None
    assert turns.add("item.added", {"item_id": "u"}, 1) is None
    assert turns.history() == []


def test_whoever_adds_an_event_gets_the_turn_it_changed() -> None:
    turns = Turns()
    changed = turns.add("turn.committed", {"item_id": "u"}, 1)
    assert changed == turns.history()[0]
    later = turns.add("turn.transcribed", {"item_id": "u", "text": "Hi."}, 2)
    assert changed is not None
    assert later == replace(changed, text="Hi.", finished=True)
