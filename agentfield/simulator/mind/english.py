"""The English that the mind knows: words that bear no meaning, odd forms, numbers and units."""

from __future__ import annotations

__all__ = [
    "DIGITS",
    "FILLERS",
    "GREAT",
    "MONTHS",
    "ODD_FORMS",
    "ORDINALS",
    "SILENT",
    "SMALL",
    "TENS",
    "UNITS",
]

from collections.abc import Mapping

_FILLERS = "ah eh er hm hmm oh uh uhm um well"
_SILENT = """
    a about actually after again all also am an and another any anybody anything are as at away be
    because been before being between but by bye can can't cannot could dear did do does doing
    don't down else few first for from get gets give go goes going gonna goodbye got guess had has
    have having hello her here hey hi him his how i i'd i'll i'm i've if in into is it it's its
    just know let let's like little make makes many may maybe me might mine more much must my need
    needs new no not now of off ok okay on one or other our out over own please put quite really
    said say says shall she should so some somebody someone something sorry tell than thank thanks
    that that's the their them then there there's these they thing things think this those to too
    told try under until up us very wanna want wants was we we'd we'll we've were what what's when
    where where's whether which while who whose why will with would yes yet you your"""
_ODD_FORMS = """
    begin: began begun; book: booking; break: broke broken; bring: brought; buy: bought;
    child: children; feed: fed; find: found; forget: forgot forgotten; goose: geese; leave: left;
    lose: lost; make: made; pay: paid; person: people; read: reading; run: ran; sell: sold;
    send: sent; speak: spoke spoken; steal: stole stolen; take: took taken; wake: woke woken;
    write: wrote written"""
_SMALL = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = """
    first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth
    fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"""
_MONTHS = """
    january february march april may june july august september october november december"""

FILLERS = frozenset(_FILLERS.split())
"""Sounds that people make before they say something."""
SILENT = FILLERS | frozenset(_SILENT.split())
"""Words that hold others together and do not say what something is about."""
ODD_FORMS: Mapping[str, str] = {
    form: word.strip()
    for word, _, forms in (entry.partition(":") for entry in _ODD_FORMS.split(";"))
    for form in forms.split()
}
"""Forms of words that no ending gives away, and the words."""
SMALL = {word: value for value, word in enumerate(_SMALL.split())}
TENS = {word: value * 10 for value, word in enumerate(_TENS.split(), start=2)}
GREAT = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
DIGITS = {word: str(value) for word, value in SMALL.items() if value < 10} | {"oh": "0", "o": "0"}
ORDINALS = {word: value for value, word in enumerate(_ORDINALS.split(), start=1)} | {
    "thirtieth": 30
}
MONTHS = tuple(_MONTHS.split())
UNITS: Mapping[str, Mapping[str, float]] = {
    "time": {
        "second": 1, "sec": 1, "minute": 60, "min": 60, "mins": 60, "hour": 3600, "hr": 3600,
        "hrs": 3600, "day": 86400, "week": 604800,
    },
    "mass": {
        "milligram": 0.001, "mg": 0.001, "gram": 1, "kilogram": 1000, "kilo": 1000, "kg": 1000,
        "tonne": 1_000_000, "ounce": 28.349523125,
    },
    "length": {
        "millimetre": 0.001, "millimeter": 0.001, "mm": 0.001, "centimetre": 0.01,
        "centimeter": 0.01, "cm": 0.01, "metre": 1, "meter": 1, "kilometre": 1000,
        "kilometer": 1000, "km": 1000, "mile": 1609.344,
    },
    "ratio": {"percent": 1, "%": 1, "percentage": 1},
    "degrees": {"degree": 1, "°": 1},
    "dollars": {"dollar": 1, "$": 1, "usd": 1},
    "euros": {"euro": 1, "€": 1, "eur": 1},
    "pounds": {"£": 1, "gbp": 1},
}  # fmt: skip
"""What units measure, and how many of one unit of it each is."""
