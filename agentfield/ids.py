"""Ids that nobody can guess and that sort by time."""

from __future__ import annotations

__all__ = ["new_id"]

import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str) -> str:
    """Return ``prefix_`` and 26 characters: 48 bits of milliseconds, then 80 random bits.

    The alphabet is Crockford's base 32 in lower case, as in https://github.com/ulid/spec.
    """
    value = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    return f"{prefix}_" + "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))
