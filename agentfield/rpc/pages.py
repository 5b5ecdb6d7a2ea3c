"""Pages of long lists: sizes, and tokens that say where the next one starts."""

from __future__ import annotations

__all__ = ["page_size", "read_name", "read_seq", "token"]

import base64

from agentfield.v1 import errors


def page_size(asked: int, *, default: int, most: int) -> int:
    """Return how many to return. Raises InvalidArgument."""
    if asked == 0:
        return default
    if not 1 <= asked <= most:
        raise errors.InvalidArgument(
            f"A page_size is between 1 and {most}, not {asked}.", metadata={"field": "page_size"}
        )
    return asked


def token(position: int | str | None) -> str:
    """Return the token of the page that starts at a position; empty for none."""
    if position is None:
        return ""
    return base64.urlsafe_b64encode(str(position).encode()).decode().rstrip("=")


def read_name(text: str) -> str:
    """Return the position a token stands for. Raises InvalidArgument."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True).decode()
    except ValueError:  # not ASCII, not base 64, or not UTF-8 underneath
        raise _unknown() from None


def read_seq(text: str) -> int | None:
    """Return the number a token stands for; None for an empty one. Raises InvalidArgument."""
    if not text:
        return None
    position = read_name(text)
    if not (position.isascii() and position.isdigit() and len(position) < 19):
        raise _unknown()
    return int(position)


def _unknown() -> errors.InvalidArgument:
    return errors.InvalidArgument(
        "The page_token is not one that this server gave; use next_page_token as it came.",
        metadata={"field": "page_token"},
    )
