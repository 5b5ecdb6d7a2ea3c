"""JSON text in the forms that ``-o`` offers, with every number and string as it was."""

from __future__ import annotations

__all__ = ["Format", "TextFormat", "encode"]

import json
import re
from collections.abc import Iterator
from enum import StrEnum

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[\]{},:]|[^\s\[\]{},:"]+')


class Format(StrEnum):
    """How data is written to stdout."""

    JSON = "json"
    """One line of JSON."""
    PRETTY = "pretty"
    """Indented JSON."""
    YAML = "yaml"
    TEXT = "text"
    """For people; each command knows how."""


class TextFormat(StrEnum):
    """How data that is one text is written to stdout."""

    RAW = "raw"
    """The text itself, byte for byte."""
    JSON = "json"
    PRETTY = "pretty"
    YAML = "yaml"


def encode(data: bytes, form: Format) -> bytes:
    """Return valid JSON in another form, ending in a newline."""
    match form:
        case Format.JSON:
            # Inside strings JSON has these two only escaped, so here they are mere layout.
            return data.translate(None, b"\r\n") + b"\n"
        case Format.PRETTY:
            return ("".join(_indented(data.decode())) + "\n").encode()
        case Format.YAML:
            import yaml

            return yaml.safe_dump(
                json.loads(data),
                allow_unicode=True,
                sort_keys=False,
                explicit_start=True,
                encoding="utf-8",
            )
        case Format.TEXT:
            raise ValueError("text is not a form of JSON")


def _indented(text: str) -> Iterator[str]:
    """Yield the tokens of JSON text as they are, with new layout between them."""
    depth = 0
    opened = False
    for piece in _TOKEN.findall(text):
        closing = piece in "]}"
        depth -= closing
        if opened != closing:
            # Neither inside an empty pair nor between two other tokens.
            yield "\n" + "  " * depth
        yield piece
        opened = False
        if piece in "[{":
            depth += 1
            opened = True
        elif piece == ",":
            yield "\n" + "  " * depth
        elif piece == ":":
            yield " "
