"""How words are turned into sounds."""

from __future__ import annotations

import pytest

from agentfield.simulator.speech.lexicon import Lexicon
from agentfield.simulator.speech.phonemes import as_spoken, from_arpabet, from_dictionary, ids
from agentfield.simulator.speech.pronouncing import Pronouncer

pytestmark = pytest.mark.unit

WORDS = {
    "apple": "ˈ æ p @ l",
    "box": "b ˈ aa k s",
    "cat": "k ˈ æ t",
    "check": "ch ˈ e k",
    "close": "k l ˈ ou s",
    "door": "d ˈ oo ɹ",
    "field": "f ˈ ii l d",
    "find": "f ˈ ai n d",
    "important": "i m p ˈ oo ɹ t @ n t",
    "name": "n ˈ ei m",
    "nasa": "n ˈ æ s @",
    "order": "ˈ oo ɹ d @r",
    "record": "ɹ @ k ˈ oo ɹ d",
    "user": "j ˈ uu z @r",
}
PAIRS = {"record": ("R IH0 K AO1 R D", "R EH1 K ER0 D"), "close": ("K L OW1 Z", "K L OW1 S")}


class Guesses:
    """Says "ta" for every word and notes which."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def pronounce(self, word: str) -> list[str]:
        self.asked.append(word)
        return ["T", "AA1"]


def said(text: str) -> str:
    lexicon = Lexicon(entries=WORDS, pairs=PAIRS)
    return Pronouncer(lexicon=lexicon, speller=Guesses()).pronounce(text)


@pytest.mark.parametrize(
    ("arpabet", "ipa"),
    [
        ("W ER1 D", "wˈɜːd"),
        ("W AO1 T ER0", "wˈɔːɾɚ"),  # a t between vowels
        ("B AH1 T AH0 N", "bˈʌʔn̩"),
        ("AH0 B AW1 T", "ɐbˈaʊt"),
        ("ER0 AY1 V Z", "ɚɹˈaɪvz"),  # an r before a vowel
        ("IH2 N T ER0 N AE1 SH AH0 N AH0 L", "ˌɪntɚnˈæʃənəl"),
        ("HH AE1 P IY0", "hˈæpi"),
        ("S T R EY1 T AH0 N Z", "stɹˈeɪtənz"),
    ],
)
def test_arpabet_becomes_what_the_voice_was_trained_on(arpabet: str, ipa: str) -> None:
    assert "".join(as_spoken(from_arpabet(arpabet.split()))) == ipa


@pytest.mark.parametrize(
    ("entry", "ipa"),
    [
        ("k @ m p j ˈ uu t @r", "kəmpjˈuːɾɚ"),
        ("i n f @r m ˈ ei sh @ n", "ˌɪnfɚmˈeɪʃən"),  # a second stress, which the dictionary lacks
        ("n ˈ @r s", "nˈɜːs"),
        ("s ˈ i t ii", "sˈɪɾi"),
    ],
)
def test_so_do_entries_of_the_dictionary(entry: str, ipa: str) -> None:
    assert "".join(as_spoken(from_dictionary(entry.split()))) == ipa


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("the door", "ðə dˈɔːɹ."),
        ("the apple, the user", "ðɪ ˈæpəl, ðə jˈuːzɚ."),
        ("find order?", "fˈaɪnd ˈɔːɹdɚ?"),
        ("Record the record.", "ɹɪkˈɔːɹd ðə ɹˈɛkɚd."),
        ("Close the door, it is close.", "klˈoʊz ðə dˈɔːɹ, ɪt ɪz klˈoʊs."),
        ("I read it. He has read it.", "aɪ ɹˈiːd ɪt. hiː hɐz ɹˈɛd ɪt."),
        ("SQL or pdf", "ˈɛs kjˈuː ˈɛl ɔːɹ pˈiː dˈiː ˈɛf."),
        ("the US and us", "ðə jˈuː ˈɛs ænd ʌs."),
        ("NASA order", "nˈæsə ˈɔːɹdɚ."),
        ("THIS IS IMPORTANT", "ðɪs ɪz ɪmpˈɔːɹtənt."),
        ("A name, plan A.", "ɐ nˈeɪm, tˈɑː ˈeɪ."),
        ("ten A M", "tˈɑː ˈeɪ ˈɛm."),
        ("the box's cat's name", "ðə bˈɑːksᵻz kˈæts nˈeɪm."),
        ("findOrder", "fˈaɪnd ˈɔːɹdɚ."),
        ("checkfield", "tʃˈɛkfˌiːld."),
        ("(the door)... box", "ðə dˈɔːɹ, bˈɑːks."),
    ],
)
def test_words_sound_as_they_do_in_their_sentence(text: str, line: str) -> None:
    assert said(text) == line


def test_unknown_words_and_names_are_guessed() -> None:
    speller = Guesses()
    line = Pronouncer(lexicon=Lexicon(entries=WORDS), speller=speller).pronounce("Zworb O'Xy")
    assert (line, speller.asked) == ("tˈɑː tˈɑː.", ["zworb", "oxy"])


@pytest.mark.parametrize("text", ["", "...", "привет", "你好", "😀"])
def test_what_has_no_word_has_no_sound(text: str) -> None:
    assert said(text) == ""


def test_a_gap_follows_every_sound_and_unknown_signs_are_left_out() -> None:
    known = {"_": [0], "^": [1], "$": [2], " ": [3], "a": [14], "b": [15]}
    assert ids("a \u2603b", known) == [1, 0, 14, 0, 3, 0, 15, 0, 2]
