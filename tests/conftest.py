"""What all tests share: every module says which kind it is; the databases that data is kept in."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from support.postgres import Postgres, running_postgres
from support.storage import Storage

settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

KINDS = {"unit", "integration", "conformance", "e2e"}


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs under test where a shell runs the tests in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        kinds = KINDS & {mark.name for mark in item.iter_markers()}
        if len(kinds) != 1:
            raise pytest.UsageError(f"{item.nodeid} must be exactly one of {sorted(KINDS)}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL server for all tests that ask for it, started when the first does."""
    with running_postgres() as server:
        yield server


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what needs a storage on both databases, unless it is marked with ``any_database``."""
    if "storage" in metafunc.fixturenames:
        one = metafunc.definition.get_closest_marker("any_database")
        databases = ["sqlite"] if one else ["sqlite", "postgres"]
        metafunc.parametrize("storage", databases, indirect=True)


@pytest.fixture
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    """Where the test's data is: on both databases in turn."""
    folder = tmp_path / "data"
    if request.param == "sqlite":
        yield Storage(folder=folder)
        return
    server: Postgres = request.getfixturevalue("postgres")
    async with server.database() as url:
        yield Storage(folder=folder, url=url)
