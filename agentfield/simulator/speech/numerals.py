"""Numbers as words of American English."""

from __future__ import annotations

__all__ = ["cardinal", "decimal", "digits", "ordinal", "year"]

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES = ("", "thousand", "million", "billion", "trillion")
_TOO_LARGE = 1000 ** len(_SCALES)
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}


def cardinal(number: int) -> str:
    """Return how many: 4711 is "four thousand seven hundred eleven".

    What has no everyday name, from a thousand trillions on, is read digit by digit.
    """
    if number < 0:
        return f"minus {cardinal(-number)}"
    if number >= _TOO_LARGE:
        return digits(str(number))
    groups = []
    for scale in _SCALES:
        number, group = divmod(number, 1000)
        if group:
            groups.append(f"{_below_thousand(group)} {scale}".strip())
    return " ".join(reversed(groups)) or _ONES[0]


def ordinal(number: int) -> str:
    """Return which one: 3 is "third", 21 is "twenty first"."""
    *before, last = cardinal(number).split()
    if last in _ORDINALS:
        last = _ORDINALS[last]
    elif last.endswith("y"):
        last = f"{last[:-1]}ieth"
    else:
        last = f"{last}th"
    return " ".join([*before, last])


def digits(text: str) -> str:
    """Return each digit as a word; what is not a digit is left out."""
    return " ".join(_ONES[int(character)] for character in text if character in "0123456789")


def decimal(whole: str, fraction: str) -> str:
    """Return a number with digits after the point: "3", "14" is "three point one four"."""
    return f"{cardinal(int(whole))} point {digits(fraction)}"


def year(number: int) -> str:
    """Return a year from 1000 to 9999: 2026 is "twenty twenty six", 2005 "two thousand five"."""
    century, rest = divmod(number, 100)
    if century % 10 == 0 and rest < 10:
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {f'oh {_ONES[rest]}' if rest < 10 else cardinal(rest)}"


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    words = [f"{_ONES[hundreds]} hundred"] if hundreds else []
    if rest >= 20:
        tens, rest = divmod(rest, 10)
        words.append(_TENS[tens])
    if rest:
        words.append(_ONES[rest])
    return " ".join(words)
