"""Answers written down by hand, as existing clients expect them, and held against real ones.

A golden file is JSON: ``status``, ``headers``, ``body`` with what existing clients read, ``more``
with what ours adds. Together they are the whole answer: nothing may be missing, nothing more may be
there. Texts have placeholders: ``<time>``, ``<count>`` (a number), ``<token>``, ``<…>`` (any text,
also none); every other one is an id or a word that must be the same wherever the name stands.
"""

from __future__ import annotations

__all__ = ["Answer", "Names", "check", "golden"]

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "golden"
_PLACEHOLDER = re.compile(r"<([^<>]+)>")
_PATTERNS = {
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
    "token": r"[A-Za-z0-9_.-]{20,}",
    "…": r"(.|\n)*",
}
_ID = r"[a-z]+_[0-9a-z]{26}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer over HTTP; ``body`` is JSON, or text if it is not."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(slots=True)
class Names:
    """What the placeholders of one test stand for, as far as is known."""

    known: dict[str, str] = field(default_factory=dict)

    def matches(self, pattern: str, text: str) -> bool:
        """Return whether a text is the pattern; learn the names that are new."""
        parts = _PLACEHOLDER.split(pattern)
        fresh, regex = [], ""
        for at, part in enumerate(parts):
            if at % 2 == 0:
                regex += re.escape(part)
            elif part in _PATTERNS:
                regex += _PATTERNS[part]
            elif part in self.known:
                regex += re.escape(self.known[part])
            elif part in fresh:
                regex += f"(?P={part})"
            else:
                fresh.append(part)
                regex += f"(?P<{part}>{_ID})"
        found = re.fullmatch(regex, text)
        if found:
            self.known |= {name: found[name] for name in fresh}
        return bool(found)

    def key(self, name: str) -> str:
        """Return a member's name: ``<key:execution>`` is the id that is known as execution."""
        _, colon, known = name.strip("<>").partition("key:")
        return self.known[known] if colon else name


def golden(name: str) -> dict[str, Any]:
    """Return what a golden file says."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def check(name: str, answer: Answer, names: Names) -> None:
    """Fail unless an answer is, as a whole, what the golden file says."""
    expected = golden(name)
    assert answer.status == expected["status"], answer
    for header, value in expected.get("headers", {}).items():
        assert names.matches(value, answer.headers.get(header, "")), (header, answer)
    body = _joined(expected["body"], expected.get("more", {}))
    assert list(_differences("", body, answer.body, names)) == [], answer.body


def _joined(body: Any, more: Any) -> Any:
    if not (isinstance(body, dict) and isinstance(more, dict)):
        return body
    twice = [name for name in more if name in body and not isinstance(body[name], dict | list)]
    assert not twice, f"ours has what existing clients have: {twice}"
    return {
        **more,
        **{name: _joined_items(value, more.get(name, {})) for name, value in body.items()},
    }


def _joined_items(value: Any, more: Any) -> Any:
    """Join lists item by item: what ours adds to each of them stands once."""
    if isinstance(value, list) and isinstance(more, dict):
        return [_joined(item, more) for item in value]
    return _joined(value, more)


def _differences(at: str, expected: Any, actual: Any, names: Names) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(actual, dict):
        yield from _of_members(at, expected, actual, names)
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for position, (ours, theirs) in enumerate(zip(expected, actual, strict=True)):
            yield from _differences(f"{at}[{position}]", ours, theirs, names)
    elif not _is_as(expected, actual, names):
        yield f"{at} is {actual!r}, not {expected!r}"


def _of_members(
    at: str, expected: Mapping[str, Any], actual: Mapping[str, Any], names: Names
) -> Iterator[str]:
    named = {names.key(name): value for name, value in expected.items()}
    yield from (f"{at}.{name} is missing" for name in named.keys() - actual.keys())
    yield from (f"{at}.{name} is not expected" for name in actual.keys() - named.keys())
    # In the golden file's order: names are learnt where they stand first.
    for name in (name for name in named if name in actual):
        yield from _differences(f"{at}.{name}", named[name], actual[name], names)


def _is_as(expected: Any, actual: Any, names: Names) -> bool:
    if expected == "<count>":
        return isinstance(actual, int) and not isinstance(actual, bool) and actual >= 0
    if isinstance(expected, str) and isinstance(actual, str):
        return names.matches(expected, actual)
    return bool(expected == actual) and type(expected) is type(actual)
