"""The PostgreSQL that tests run on, with commits that survive the machine."""

from __future__ import annotations

__all__ = ["postgres"]

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it is found once this is called
    from support.postgres import Postgres

TESTS = Path(__file__).parents[1] / "tests"


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a server in which databases can be made."""
    sys.path.append(str(TESTS))
    from support.postgres import running_postgres

    with running_postgres(durable=True) as server:
        yield server
