"""What options like ``--in`` give: text, the file it names, or stdin."""

from __future__ import annotations

__all__ = ["ARGUMENTS", "FACTS", "read_input", "read_text"]

import os
import sys
from pathlib import Path

from agentfield.contract.jsonslice import MalformedJson, check_json
from agentfield.v1 import errors

ARGUMENTS = """is not a JSON object; name the arguments, as in '{"text": 1}'"""
FACTS = """must be a JSON object of facts, for instance '{"customer": "Ada"}'"""


def read_input(source: str | None, flag: str = "--in", rule: str = ARGUMENTS) -> bytes:
    """Return the JSON object that a flag names, untouched: text, ``@file`` or ``-`` for stdin.

    Raises InvalidArgument that says what is wrong with it, and the rule if it is no object.
    """
    if source is None:
        return b"{}"
    name, data = _read(source, flag)
    if not data.strip():
        raise errors.InvalidArgument(f"{name} is empty; a JSON object is expected.")
    try:
        check_json(data)
    except MalformedJson as error:
        raise errors.InvalidArgument(f"{name} is not valid JSON: {error}.") from None
    if not data.lstrip().startswith(b"{"):
        raise errors.InvalidArgument(f"{name} {rule}.")
    return data


def read_text(source: str, flag: str) -> str:
    """Return the text that a flag names, with every byte of it.

    Raises InvalidArgument that says what is wrong with it.
    """
    name, data = _read(source, flag)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise errors.InvalidArgument(f"{name} is not UTF-8 at byte {error.start}.") from None


def _read(source: str, flag: str) -> tuple[str, bytes]:
    if source == "-":
        if sys.stdin.isatty():
            raise errors.InvalidArgument(
                f"{flag} - reads from stdin, and stdin is a terminal: pipe something in."
            )
        return "stdin", sys.stdin.buffer.read()
    if source.startswith("@"):
        path = Path(source[1:])
        try:
            return f"The file '{path}'", path.read_bytes()
        except OSError as error:
            raise errors.InvalidArgument(
                f"{flag} cannot read the file '{path}': {error.strerror}."
            ) from None
    return flag, os.fsencode(source)
