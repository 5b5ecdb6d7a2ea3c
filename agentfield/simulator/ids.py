"""Ids that look like the provider's and never repeat."""

from __future__ import annotations

__all__ = ["new_id"]

import secrets
import string

_ALPHABET = string.ascii_letters + string.digits


def new_id(prefix: str) -> str:
    """Return a new id with a prefix such as ``item``."""
    return f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(21))
