"""Where the values of a JSON object stand in its text, so that they can be passed on untouched."""

from __future__ import annotations

__all__ = ["MalformedJson", "check_json", "items", "members"]

import json
from typing import NoReturn

import orjson


class MalformedJson(ValueError):
    """The text is not the JSON that was asked for; the message says where and why."""


def _reject(constant: str) -> NoReturn:
    raise MalformedJson(f"{constant} is not a JSON value")


def _ignore(_number: str) -> None:
    """Numbers are only passed over: whatever their size, they are not made into values."""


_DECODER = json.JSONDecoder(
    parse_constant=_reject, parse_int=_ignore, parse_float=_ignore, strict=True
)
_SPACE = " \t\n\r"


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _value_end(text: str, at: int) -> int:
    try:
        return _DECODER.raw_decode(text, at)[1]
    except json.JSONDecodeError as error:
        raise MalformedJson(str(error)) from None
    except RecursionError:
        raise MalformedJson("the JSON is nested too deeply") from None


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedJson(f"the text is not UTF-8 at byte {error.start}") from None


def check_json(data: bytes, *, expect_object: bool = False) -> None:
    """Raise MalformedJson unless the bytes are exactly one JSON value (or one object)."""
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise MalformedJson(str(error)) from None
    if expect_object and not data.lstrip(b" \t\n\r").startswith(b"{"):
        raise MalformedJson("it does not begin with '{'")


def members(data: bytes) -> dict[str, str]:
    """Return the text of each member's value of the JSON object in ``data``, as it stands there.

    Of a repeated name the last one counts, as with every common parser.
    """
    text = _text(data)
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        raise MalformedJson("it does not begin with '{'")
    found: dict[str, str] = {}
    at = _skip(text, at + 1)
    while text[at : at + 1] != "}":
        if found:
            if text[at : at + 1] != ",":
                raise MalformedJson(f"',' or '}}' is expected at character {at}")
            at = _skip(text, at + 1)
        if text[at : at + 1] != '"':
            raise MalformedJson(f"a name in double quotes is expected at character {at}")
        name_end = _value_end(text, at)
        name: str = json.loads(text[at:name_end])
        at = _skip(text, name_end)
        if text[at : at + 1] != ":":
            raise MalformedJson(f"':' is expected at character {at}")
        start = _skip(text, at + 1)
        end = _value_end(text, start)
        found[name] = text[start:end]
        at = _skip(text, end)
    end = _skip(text, at + 1)
    if end != len(text):
        raise MalformedJson(f"something follows the JSON object at character {end}")
    return found


def items(text: str) -> list[bytes]:
    """Return the text of each item of a JSON list, as it stands there; the text is valid JSON."""
    at, found = _skip(text, 1), []
    while text[at] != "]":
        end = _value_end(text, at)
        found.append(text[at:end].encode())
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found
