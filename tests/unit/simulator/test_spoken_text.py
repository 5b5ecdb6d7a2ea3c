"""How written text is read aloud."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentfield.simulator.speech.figures import written
from agentfield.simulator.speech.numerals import cardinal, ordinal, year
from agentfield.simulator.speech.readable import readable
from agentfield.simulator.speech.sentences import pieces

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (40, "forty"),
        (101, "one hundred one"),
        (4711, "four thousand seven hundred eleven"),
        (1_000_000, "one million"),
        (2_000_017, "two million seventeen"),
        (-21, "minus twenty one"),
        (10**15, "one " + " ".join(["zero"] * 15)),
    ],
)
def test_a_number_says_how_many(number: int, words: str) -> None:
    assert cardinal(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [(1, "first"), (3, "third"), (12, "twelfth"), (20, "twentieth"), (101, "one hundred first")],
)
def test_an_ordinal_says_which_one(number: int, words: str) -> None:
    assert ordinal(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1066, "ten sixty six"),
        (1900, "nineteen hundred"),
        (1905, "nineteen oh five"),
        (2000, "two thousand"),
        (2005, "two thousand five"),
        (2026, "twenty twenty six"),
    ],
)
def test_a_year_is_read_in_halves(number: int, words: str) -> None:
    assert year(number) == words


@pytest.mark.parametrize(
    ("written_as", "read_as"),
    [
        ("It is $12.50.", "It is twelve dollars and fifty cents."),
        ("$1", "one dollar"),
        ("$0.01", "one cent"),
        ("$1,299.99", "one thousand two hundred ninety nine dollars and ninety nine cents"),
        ("€5 or 5 EUR", "five euros or five euros"),
        ("£2.01", "two pounds and one penny"),
        ("$3.5 million", "three point five million dollars"),
        ("-$5", "minus five dollars"),
        ("order 4711", "order four seven one one"),
        ("order 12", "order twelve"),
        ("Order #4711", "Order four seven one one"),
        ("We are #1", "We are number one"),
        ("Room 12B", "Room twelve B"),
        ("flight BA2490", "flight BA two four nine zero"),
        ("4,711 people", "four thousand seven hundred eleven people"),
        ("at 10:30", "at ten thirty"),
        ("at 9:05 am", "at nine oh five A M"),
        ("at 10:00", "at ten o'clock"),
        ("at 14:00", "at fourteen hundred"),
        ("at 5pm", "at five P M"),
        ("I am 5", "I am five"),
        ("the 3rd", "the third"),
        ("on 2026-11-25", "on November twenty fifth, twenty twenty six"),
        ("on 11/25/2026", "on November twenty fifth, twenty twenty six"),
        ("on Nov. 25", "on November twenty fifth"),
        ("on 3 March 2024", "on March third, twenty twenty four"),
        ("In 1999", "In nineteen ninety nine"),
        ("20°C", "twenty degrees Celsius"),
        ("1 km, 5 km", "one kilometer, five kilometers"),
        ("50%", "fifty percent"),
        ("3.14", "three point one four"),
        ("version 1.2.3", "version one point two point three"),
        ("10-12 days", "ten to twelve days"),
        ("call 555-0142", "call five five five, zero one four two"),
        ("0042", "zero zero four two"),
        ("Dr. Smith, 12 Main St.", "doctor Smith, twelve Main Street"),
        ("No. 5", "number five"),
        ("help@example.com", "help at example dot com"),
        ("https://www.example.com/help", "example dot com slash help"),
        ("find_order & more", "find order and more"),
        ("Café “Zürich” — Łódź", 'Cafe "Zurich", Lodz'),
    ],
)
def test_what_is_written_short_is_read_in_full(written_as: str, read_as: str) -> None:
    assert readable(written_as) == read_as


@given(st.text())
@example("13/45/2020 99:99 31/31 1.2.3.4 ١٢ ²")
def test_no_figure_is_left_that_a_voice_could_stumble_over(text: str) -> None:
    assert not re.search("[0-9]", readable(text))


@given(st.text())
@example("a" * 1000)
@example("one, two, " * 100)
def test_the_pieces_of_a_text_are_the_text(text: str) -> None:
    parts = list(pieces(text))
    assert "".join(parts) == text
    assert all(parts)
    assert all(len(part.rstrip()) <= 160 for part in parts)


@pytest.mark.parametrize(
    "sentences",
    [
        ["Hello there. ", "How are you? ", "Fine!"],
        ["Dr. Smith sees you at 5 p.m. on Monday. ", "Bring your card."],
        ["At 5 p.m. ", "We close."],
        ["It costs $12.50. ", "Fine."],
        ["J. R. Tolkien wrote it. ", "So I read it."],
        ["Is it I? ", "It is I. ", "Good."],
        ["First line\n", "Second line"],
        ['She said "No." ', "He left."],
    ],
)
def test_text_is_cut_between_sentences(sentences: list[str]) -> None:
    assert list(pieces("".join(sentences))) == sentences


def test_a_long_first_sentence_begins_with_its_first_clause() -> None:
    clauses = [
        "Your order is a blue kettle, ",
        "which was shipped yesterday from our warehouse in Ohio.",
    ]
    assert list(pieces("".join(clauses))) == clauses
    assert list(pieces("Yes, it is.")) == ["Yes, it is."]


@pytest.mark.parametrize(
    ("heard", "text"),
    [
        ("My zip code is nine, zero, two, one, zero.", "My zip code is 90210."),
        ("Where is order for seven one one?", "Where is order 4711?"),
        ("Wait for one two three.", "Wait for 123."),
        ("One two-bedroom flat for two.", "One two-bedroom flat for two."),
        ("At three p. M. to-morrow", "At three p.m. tomorrow"),
        ("Nobody has said a number.", "Nobody has said a number."),
    ],
)
def test_numbers_that_were_spelled_are_written_in_figures(heard: str, text: str) -> None:
    assert written(heard) == text
