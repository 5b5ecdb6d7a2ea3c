"""Failures that nobody has foreseen stop here: what one session or one task does wrong is its own."""

from __future__ import annotations

__all__ = ["supervised"]

import logging
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger("agentfield.live")


@contextmanager
def supervised(failed: str, **facts: str) -> Iterator[None]:
    """Log whatever fails in the block, under a fixed text, and let the others go on."""
    try:
        yield
    except Exception:
        log.exception(failed, extra=facts)
