"""Messages on stdout: as data, or on a terminal as something to look at."""

from __future__ import annotations

__all__ = ["details", "emit", "following", "for_people", "table"]

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson
from google.protobuf.message import Message

from agentfield.contract.json import dump, to_plain
from agentfield_cli.exits import visible
from agentfield_cli.formats import Format, encode

if TYPE_CHECKING:
    # Only people need rich, and it takes a while to load.
    from rich.table import Table

_UNLIMITED = 10_000


def for_people(output: Format | None) -> bool:
    """Return whether people read it: they asked for text, or for nothing and it is a terminal."""
    return output is Format.TEXT or (output is None and sys.stdout.isatty())


def emit(
    message: Message,
    output: Format | None,
    view: Callable[[], Iterable[str]] | None = None,
) -> None:
    """Write a message: for people as the lines of its view, else as ``output`` says or JSON."""
    if view is not None and for_people(output):
        for line in view():
            print(line)
        sys.stdout.flush()
        return
    sys.stdout.buffer.write(encode(dump(message), output or Format.JSON))
    sys.stdout.flush()


@contextmanager
def following(output: Format | None) -> Iterator[Callable[[Message], None]]:
    """Provide a function that shows the newest state of a message.

    On a terminal it replaces the state before; else every state is written.
    """
    if not (for_people(output) and sys.stdout.isatty()):
        yield lambda message: emit(message, output, lambda: [*details(message), ""])
        return
    from rich.live import Live
    from rich.text import Text

    def state(message: Message) -> Text:
        return Text("\n".join(details(message)))

    with Live(auto_refresh=False) as live:
        yield lambda message: live.update(state(message), refresh=True)


def table(columns: Sequence[str], messages: Iterable[Message]) -> list[str]:
    """Return a table with a row for each message and a column for each of the named fields."""
    return _drawn(columns, [to_plain(message) for message in messages])


def details(message: Message) -> Iterator[str]:
    """Yield the message's fields, a line each, lists of messages as tables below their name.

    Lines have any length: a terminal that wraps them leaves URLs and tokens whole for copying.
    """
    fields = to_plain(message)
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        if value and isinstance(value, list) and isinstance(value[0], dict):
            yield name
            yield from _drawn(_columns(value), value)
        elif value not in ([], {}, "", None):
            below = "\n" + " " * (width + 2)
            yield f"{name:<{width}}  {_cell(value).replace(chr(10), below)}"


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names that any row has, but for JSON: schemas are too large for a table."""
    names = {
        name: None
        for row in rows
        for name, value in row.items()
        if not isinstance(value, orjson.Fragment)
    }
    return list(names)


def _drawn(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines of a table: on a terminal long cells are folded, nothing is cut."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else _UNLIMITED)
    with console.capture() as drawn:
        console.print(_table(columns, rows), crop=False)
    return [line.rstrip() for line in drawn.get().rstrip("\n").split("\n")]


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    cells = [[_cell(row.get(column, "")) for column in columns] for row in rows]
    grid = Table(box=None, header_style="bold", pad_edge=False)
    for place, column in enumerate(columns):
        # Ids and names stand first; a broken one cannot be copied.
        first = max((len(row[0]) for row in cells), default=0) if place == 0 else None
        grid.add_column(column, min_width=first, overflow="fold")
    for row in cells:
        grid.add_row(*map(Text, row))
    return grid


def _cell(value: Any) -> str:
    return visible(value if isinstance(value, str) else orjson.dumps(value).decode())
