"""How the mind words what functions have returned."""

from __future__ import annotations

__all__ = ["SPOKEN", "worded"]

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from agentfield.simulator.mind.words import identifier_words

SPOKEN = ("spoken_response", "response", "answer", "message", "text", "summary")
"""Keys of a result whose text is said instead of all of it, the first that is there."""
_ITEMS = 5
_FIELDS = 6
_CHARACTERS = 600


def worded(output: str) -> str:
    """Return what is said about an output, as the protocol has it: text that may be JSON."""
    try:
        result = json.loads(output)
    except ValueError:
        result = output
    if isinstance(result, Mapping) and result.get("error"):
        return f"That did not work: {_sentence(_reason(result['error']))}"
    if isinstance(result, Mapping) and result.get("truncated") is True and "result" in result:
        begins = _shortened(str(result["result"]), _CHARACTERS // 3)
        return f"The result is too long to be told whole. It begins: {begins}"
    return _result(result)


def _reason(error: Any) -> str:
    if isinstance(error, Mapping):
        return str(error.get("message") or error.get("reason") or error.get("code") or "an error")
    return str(error)


def _result(result: Any) -> str:
    match result:
        case None | "" | {} if not result:
            text = "Done. There is no result to tell."
        case []:
            text = "Done. Nothing was found."
        case bool():
            text = "Yes." if result else "No."
        case str():
            text = result
        case Mapping():
            spoken = (result.get(key) for key in SPOKEN)
            said = (each for each in spoken if isinstance(each, str) and each.strip())
            text = next(said, None) or _fields(result)
        case list():
            text = _list(result)
        case _:
            text = f"The result is {result}."
    return _shortened(text, _CHARACTERS)


def _fields(result: Mapping[str, Any]) -> str:
    said = [f"{_name(key)}: {_value(value)}." for key, value in list(result.items())[:_FIELDS]]
    more = len(result) - _FIELDS
    return " ".join([*said, f"And {more} more."] if more > 0 else said)


def _list(result: Sequence[Any]) -> str:
    told = [_value(each) for each in result[:_ITEMS]]
    more = len(result) - len(told)
    if more > 0:
        return f"There are {len(result)}: {', '.join(told)} and {more} more."
    return f"{_and(told)}." if len(told) < 3 else f"There are {len(told)}: {_and(told)}."


def _value(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        inside = [f"{_name(key).lower()} {_value(each)}" for key, each in value.items()]
        return ", ".join(inside[:_FIELDS])
    if isinstance(value, list):
        told = [_value(each) for each in value[:_ITEMS]]
        more = len(value) - len(told)
        return f"{', '.join(told)} and {more} more" if more > 0 else _and(told)
    return str(value).strip().rstrip(".")


def _and(told: Sequence[str]) -> str:
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"


def _name(key: str) -> str:
    words = " ".join(identifier_words(key)) or key
    return words[0].upper() + words[1:] if words else "It"


def _sentence(text: str) -> str:
    text = _shortened(text, _CHARACTERS)
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _shortened(text: str, characters: int) -> str:
    """Return text that is not too long to listen to, and say when it was."""
    text = re.sub(r"\s+", " ", text).strip()
    if len(text) <= characters:
        return text
    return f"{text[:characters].rsplit(' ', 1)[0]} … There is more than that."
