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
    # Only a terminal needs rich, and it takes a while to load.
    from rich.console import RenderableType
    from rich.table import Table


def for_people(output: Format | None) -> bool:
    """Return whether the data goes to a terminal and nobody asked for a form of it."""
    return output is None and sys.stdout.isatty()


def emit(
    message: Message,
    output: Format | None,
    view: Callable[[], RenderableType] | None = None,
) -> None:
    """Write a message: as ``output`` says, else on a terminal as its view, else as a JSON line."""
    if view is not None and for_people(output):
        from rich.console import Console

        Console().print(view())
        return
    sys.stdout.buffer.write(encode(dump(message), output or Format.JSON))
    sys.stdout.flush()


@contextmanager
def following(output: Format | None) -> Iterator[Callable[[Message], None]]:
    """Provide a function that shows the newest state of a message.

    On a terminal it replaces the state before; as data every state is written.
    """
    if not for_people(output):
        yield lambda message: emit(message, output)
        return
    from rich.live import Live

    with Live(auto_refresh=False) as live:
        yield lambda message: live.update(details(message), refresh=True)


def table(columns: Sequence[str], messages: Iterable[Message]) -> Table:
    """Return a table with a row for each message and a column for each of the named fields."""
    return _table(columns, [to_plain(message) for message in messages])


def details(message: Message) -> Table:
    """Return the message's fields below each other, lists of messages as tables."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    for name, value in to_plain(message).items():
        title = Text(name, "bold")
        if value and isinstance(value, list) and isinstance(value[0], dict):
            grid.add_row(title, _table(_columns(value), value))
        else:
            grid.add_row(title, Text(_cell(value)))
    return grid


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names that any row has, but for JSON: schemas are too large for a table."""
    names = {
        name: None
        for row in rows
        for name, value in row.items()
        if not isinstance(value, orjson.Fragment)
    }
    return list(names)


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, header_style="bold", pad_edge=False)
    for place, column in enumerate(columns):
        # Ids and names stand first; a broken one cannot be copied.
        grid.add_column(column, no_wrap=place == 0, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(_cell(row.get(column, ""))) for column in columns))
    return grid


def _cell(value: Any) -> str:
    return visible(value if isinstance(value, str) else orjson.dumps(value).decode())
