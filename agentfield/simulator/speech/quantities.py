"""Money, times, dates, measures and other written numbers, in words."""

from __future__ import annotations

__all__ = ["NUMBERS", "Rule"]

import re
from collections.abc import Callable

from agentfield.simulator.speech.numerals import cardinal, decimal, digits, ordinal, year

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]

_MONTHS = (
    "January February March April May June July August September October November December".split()
)
_CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "USD": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "EUR": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "GBP": ("pound", "pounds", "penny", "pence"),
    "¥": ("yen", "yen", "", ""),
    "JPY": ("yen", "yen", "", ""),
}
_UNITS = {
    "km/h": ("kilometer per hour", "kilometers per hour"),
    "mph": ("mile per hour", "miles per hour"),
    "km": ("kilometer", "kilometers"),
    "cm": ("centimeter", "centimeters"),
    "mm": ("millimeter", "millimeters"),
    "kg": ("kilogram", "kilograms"),
    "mg": ("milligram", "milligrams"),
    "lbs": ("pound", "pounds"),
    "lb": ("pound", "pounds"),
    "oz": ("ounce", "ounces"),
    "ml": ("milliliter", "milliliters"),
    "ms": ("millisecond", "milliseconds"),
    "sec": ("second", "seconds"),
    "min": ("minute", "minutes"),
    "hrs": ("hour", "hours"),
    "hr": ("hour", "hours"),
    "kWh": ("kilowatt hour", "kilowatt hours"),
    "KB": ("kilobyte", "kilobytes"),
    "MB": ("megabyte", "megabytes"),
    "GB": ("gigabyte", "gigabytes"),
    "TB": ("terabyte", "terabytes"),
    "°C": ("degree Celsius", "degrees Celsius"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "°": ("degree", "degrees"),
}
_NAMED = (
    "orders?|numbers?|no|tickets?|accounts?|rooms?|flights?|gate|codes?|pin|id|cases?|invoices?|"
    "reference|ref|bookings?|confirmation|extension|zip|model|serial|route|tracking"
)
_MONTH = "|".join(f"{name[:3]}(?:{name[3:]}|t?\\.?)" if name[3:] else name for name in _MONTHS)
_CURRENCY = "|".join(re.escape(sign) for sign in _CURRENCIES)
_UNIT = "|".join(re.escape(unit) for unit in _UNITS)
_AMOUNT = r"(?P<whole>\d{1,3}(?:,\d{3})+|\d+)(?:\.(?P<fraction>\d+))?"
_SCALE = r"(?P<scale> (?:thousand|million|billion|trillion)\b)?"
_HALF = r"(?:\s?(?P<half>[AaPp]\.?[Mm](?:\b\.?(?!\w))))"


def _value(number: str) -> int:
    return int(number.replace(",", ""))


def _amount(match: re.Match[str]) -> str:
    whole, fraction = match["whole"].replace(",", ""), match["fraction"]
    if fraction:
        return decimal(whole, fraction)
    return digits(whole) if len(whole) > 1 and whole[0] == "0" else cardinal(int(whole))


def _money(match: re.Match[str]) -> str:
    one, many, one_cent, cents = _CURRENCIES[match["sign"]]
    whole, fraction = _value(match["whole"]), match["fraction"]
    if match["scale"]:
        return f"{_amount(match)}{match['scale']} {many}"
    if not fraction or len(fraction) != 2 or not cents:
        return f"{_amount(match)} {one if whole == 1 and not fraction else many}"
    parts = [f"{cardinal(whole)} {one if whole == 1 else many}"] if whole else []
    if int(fraction) or not parts:
        parts.append(f"{cardinal(int(fraction))} {one_cent if int(fraction) == 1 else cents}")
    return " and ".join(parts)


def _measure(match: re.Match[str]) -> str:
    one, many = _UNITS[match["unit"]]
    words = _amount(match)
    return f"{words} {one if words == 'one' else many}"


def _letters(half: str | None) -> str:
    return " ".join((half or "").replace(".", "").upper())


def _clock(match: re.Match[str]) -> str:
    hour, minute, half = int(match["hour"]), int(match["minute"]), _letters(match["half"])
    words = [cardinal(hour)]
    if minute:
        words.append(f"oh {cardinal(minute)}" if minute < 10 else cardinal(minute))
    elif not half:
        words.append("o'clock" if hour <= 12 else "hundred")
    return " ".join([*words, half]).rstrip()


def _date(month: int, day: int, of_year: str | None) -> str | None:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    words = f"{_MONTHS[month - 1]} {ordinal(day)}"
    return f"{words}, {year(int(of_year))}" if of_year and int(of_year) >= 1000 else words


def _numbered_date(match: re.Match[str]) -> str:
    written_out = _date(int(match["month"]), int(match["day"]), match["year"])
    return written_out or re.sub(r"\d+", lambda part: cardinal(int(part[0])), match[0])


def _month_date(match: re.Match[str]) -> str:
    month = next(n for n, name in enumerate(_MONTHS, 1) if match["month"][:3] == name[:3])
    return _date(month, int(match["day"]), match["year"]) or match[0]


def _named(match: re.Match[str]) -> str:
    """Read what something is called digit by digit if it is longer than two digits."""
    number = match["number"]
    before = match["before"].removesuffix("#") or "number "
    return before + (cardinal(int(number)) if len(number) < 3 else digits(number))


NUMBERS: tuple[Rule, ...] = (
    (
        re.compile(r"\b(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)(?!\d)"),
        _numbered_date,
    ),
    (
        re.compile(r"\b(?P<month>\d\d?)/(?P<day>\d\d?)/(?P<year>\d{4})\b"),
        _numbered_date,
    ),
    (
        re.compile(
            rf"\b(?P<month>{_MONTH}) (?P<day>\d\d?)(?:st|nd|rd|th)?\b(?:,? (?P<year>[12]\d{{3}})\b)?"
        ),
        _month_date,
    ),
    (
        re.compile(
            rf"\b(?P<day>\d\d?)(?:st|nd|rd|th)? (?:of )?(?P<month>{_MONTH})(?!\w)"
            r"(?:,? (?P<year>[12]\d{3})\b)?"
        ),
        _month_date,
    ),
    (
        re.compile(
            rf"\b(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?::[0-5]\d)?{_HALF}?(?![\d:])"
        ),
        _clock,
    ),
    (
        re.compile(rf"\b(?P<hour>1[0-2]|[1-9]){_HALF}"),
        lambda match: f"{cardinal(int(match['hour']))} {_letters(match['half'])}",
    ),
    (re.compile(r"(?<!\w)[-−](?=[$€£¥]?\d)"), lambda _: "minus "),
    (
        re.compile(r"\b\d+(?:\.\d+){2,}\b"),
        lambda match: " point ".join(cardinal(int(part)) for part in match[0].split(".")),
    ),
    (re.compile(rf"(?P<sign>{_CURRENCY})\s?{_AMOUNT}{_SCALE}"), _money),
    (re.compile(rf"\b{_AMOUNT}{_SCALE}\s?(?P<sign>{_CURRENCY})(?!\w)"), _money),
    (re.compile(rf"\b{_AMOUNT}\s?(?P<unit>{_UNIT})(?![\w/])"), _measure),
    (
        re.compile(
            rf"(?P<before>\b(?:{_NAMED})(?: (?:is|was|number|code|id))?:? #?|#)"
            r"(?P<number>\d+)(?![\d.,:]*\d|[^\W\d_])",
            re.IGNORECASE,
        ),
        _named,
    ),
    (re.compile(r"(?<=[A-Za-z])-?(\d{3,})\b"), lambda match: f" {digits(match[1])}"),
    (
        re.compile(r"(?<!\w)\+?\d{1,3}(?:[ -]\(?\d{3}\)?)?[ -]\d{3}[ -]\d{4}\b|\b\d{3}-\d{4}\b"),
        lambda match: ", ".join(digits(part) for part in re.findall(r"\d+", match[0])),
    ),
    (
        re.compile(
            r"\b((?:in|since|until|by|from|of|year|before|after) )(1[1-9]\d\d|20\d\d)\b(?![.,]\d)",
            re.IGNORECASE,
        ),
        lambda match: match[1] + year(int(match[2])),
    ),
    (
        re.compile(r"\b(?P<whole>\d{1,3}(?:,\d{3})+|\d+)(?:st|nd|rd|th)\b"),
        lambda match: ordinal(_value(match["whole"])),
    ),
    (re.compile(r"(?<=\d)\s?[-–]\s?(?=\d)"), lambda _: " to "),
    (re.compile(r"\b1/2\b"), lambda _: "one half"),
    (re.compile(r"\b24/7\b"), lambda _: "twenty four seven"),
    (re.compile(_AMOUNT), lambda match: f" {_amount(match)} "),
)
"""In this order: what says more about its number comes first."""
