"""Spoken words: the same or not, and heard by a time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentfield.sessions.words import expected_seconds, heard_words, same_words

pytestmark = pytest.mark.unit

TEXTS = st.text(st.sampled_from("ab .,ß語"), max_size=80)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Hello, World!", "hello world", True),
        ("Straße", "STRASSE", True),
        ("One  two\nthree", "One two three.", True),
        ("One two", "One too", False),
        ("One two", "One", False),
        ("", "", True),
    ],
)
def test_words_are_compared_without_case_and_punctuation(one: str, other: str, same: bool) -> None:
    assert same_words(one, other) is same


def test_a_text_takes_a_second_at_least_and_then_as_long_as_it_is() -> None:
    assert expected_seconds("") == 1.0
    assert expected_seconds("x" * 150) == 10.0


@given(TEXTS, st.floats(0, 20_000))
def test_what_was_heard_is_the_beginning_in_whole_words(text: str, milliseconds: float) -> None:
    heard = heard_words(text, milliseconds)
    assert text.startswith(heard)
    assert heard == text or text[len(heard)] == " " or heard == ""


@given(TEXTS, st.floats(0, 10_000), st.floats(0, 10_000))
def test_more_time_never_means_less_heard(text: str, one: float, more: float) -> None:
    assert len(heard_words(text, one)) <= len(heard_words(text, one + more))


def test_words_are_heard_at_about_150_a_minute() -> None:
    assert heard_words("one two three four", 1000) == "one two three"
    assert heard_words("one two three four", 0) == ""
    assert heard_words("one two three four", 1200) == "one two three four"
