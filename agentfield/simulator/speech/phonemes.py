"""How pronunciations are written for the voice: as eSpeak writes American English in IPA.

The voice was trained on that alphabet. Both sources of pronunciations have others: the dictionary
its own, the model for unknown words ARPAbet.
"""

from __future__ import annotations

__all__ = [
    "Phonemes",
    "as_spoken",
    "from_arpabet",
    "from_dictionary",
    "ids",
]

from collections.abc import Iterable, Iterator, Mapping, Sequence

Phonemes = tuple[str, ...]
"""Sounds of a word; a stress mark stands right before its vowel."""

_MAIN, _SECOND = "ˈ", "ˌ"
_CONSONANTS = {
    **{letter: letter for letter in "bdfklmnpstvwz"},
    "ch": "tʃ",
    "dh": "ð",
    "g": "ɡ",
    "hh": "h",
    "jh": "dʒ",
    "ng": "ŋ",
    "r": "ɹ",
    "sh": "ʃ",
    "th": "θ",
    "y": "j",
    "zh": "ʒ",
}
_VOWELS = {
    "aa": "ɑː",
    "ae": "æ",
    "ao": "ɔː",
    "aw": "aʊ",
    "ay": "aɪ",
    "eh": "ɛ",
    "ey": "eɪ",
    "ih": "ɪ",
    "ow": "oʊ",
    "oy": "ɔɪ",
    "uh": "ʊ",
    "uw": "uː",
}
_BY_STRESS = {"ah": ("ʌ", "ə"), "er": ("ɜː", "ɚ"), "iy": ("iː", "i")}
_ARPABET_OF_DICTIONARY = {
    "@": "ah",
    "ʌ": "ah",
    "@r": "er",
    "i": "ih",
    "ii": "iy",
    "e": "eh",
    "æ": "ae",
    "oo": "ao",
    "ai": "ay",
    "ei": "ey",
    "oi": "oy",
    "au": "aw",
    "ou": "ow",
    "u": "uh",
    "uu": "uw",
    "ɹ": "r",
    "j": "y",
}
_WEAK = frozenset({"ə", "ɚ", "i", "ɪ", "ᵻ", "əl"})
_ALL_VOWELS = frozenset(
    {*_VOWELS.values(), *(each for pair in _BY_STRESS.values() for each in pair)}
)


def from_arpabet(symbols: Iterable[str]) -> Phonemes:
    """Return the sounds of ARPAbet with stress digits, such as ``W ER1 D``."""
    sounds: list[str] = []
    for symbol in symbols:
        name, stress = symbol.rstrip("012").lower(), symbol[-1:]
        if name not in _CONSONANTS and stress in {"1", "2"}:
            sounds.append(_MAIN if stress == "1" else _SECOND)
        sounds.append(_sound(name, stressed=stress in {"1", "2"}))
    return tuple(sounds)


def from_dictionary(symbols: Iterable[str]) -> Phonemes:
    """Return the sounds of an entry of the dictionary, such as that of "word"."""
    sounds: list[str] = []
    for symbol in symbols:
        stressed = sounds[-1:] == [_MAIN]
        # The dictionary writes ʌ also where there is no stress, which is heard.
        full = stressed or symbol == "ʌ"
        sounds.append(
            _MAIN
            if symbol == _MAIN
            else _sound(_ARPABET_OF_DICTIONARY.get(symbol, symbol), stressed=full)
        )
    return tuple(sounds)


def as_spoken(sounds: Phonemes) -> Phonemes:
    """Return what becomes of the sounds of a word in American speech."""
    spoken = list(_with_linking_r(_with_second_stress(sounds)))
    if spoken and spoken[0] == "ə" and len(spoken) > 1:
        spoken[0] = "ɐ"
    for at, sound in enumerate(spoken):
        before, after = spoken[at - 1 : at], spoken[at + 1 : at + 2]
        follows_vowel = bool(before) and (before[0] in _ALL_VOWELS or before[0] == "ɹ")
        if sound != "t" or not follows_vowel or not after:
            continue
        if spoken[at + 1 :] == ["ə", "n"]:
            spoken[at:] = ["ʔ", "n̩"]
            break
        if after[0] in _WEAK and spoken[at + 1 : at + 3] != ["ə", "n"]:
            spoken[at] = "ɾ"
    return tuple(spoken)


def ids(text: str, known: Mapping[str, Sequence[int]]) -> list[int]:
    """Return the numbers that the voice takes for a line of IPA and punctuation.

    A gap follows each sound, as the voice was trained. Signs that it does not know are left out.
    """
    numbers = [*known["^"], *known["_"]]
    for sign in text:
        if sign in known:
            numbers += [*known[sign], *known["_"]]
    return [*numbers, *known["$"]]


def _sound(name: str, *, stressed: bool) -> str:
    if name in _BY_STRESS:
        full, weak = _BY_STRESS[name]
        return full if stressed else weak
    return _CONSONANTS.get(name) or _VOWELS[name]


def _with_linking_r(sounds: Phonemes) -> Iterator[str]:
    """Say the r of a vowel that ends in one, where another vowel follows: a(r)rives."""
    for at, sound in enumerate(sounds):
        yield sound
        following = next((each for each in sounds[at + 1 :] if each not in {_MAIN, _SECOND}), "")
        if sound in {"ɚ", "ɜː"} and following in _ALL_VOWELS:
            yield "ɹ"


def _with_second_stress(sounds: Phonemes) -> Phonemes:
    """Mark a full first syllable that is two or more before the main stress, as in "international"."""
    if _MAIN not in sounds or _SECOND in sounds:
        return sounds
    vowels = [at for at, sound in enumerate(sounds[: sounds.index(_MAIN)]) if sound in _ALL_VOWELS]
    if len(vowels) < 2 or sounds[vowels[0]] in _WEAK - {"ɪ"}:
        return sounds
    return (*sounds[: vowels[0]], _SECOND, *sounds[vowels[0] :])
