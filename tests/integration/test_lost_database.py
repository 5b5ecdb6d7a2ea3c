"""A server whose database goes and comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support.plane import PATIENCE, SUCCEEDED, ScriptedWorker, config_for, running_plane
from support.postgres import Postgres
from support.storage import Storage

from agentfield.v1 import errors

pytestmark = pytest.mark.integration


async def test_requests_fail_while_the_database_is_away_and_work_goes_on_when_it_is_back(
    postgres: Postgres, tmp_path: Path
) -> None:
    async with (
        postgres.database() as url,
        running_plane(config_for(Storage(folder=tmp_path, url=url), grace=60.0)) as plane,
    ):
        worker = await ScriptedWorker(plane, "n", "f").connect()
        running = await plane.submit("n.f")
        execute = worker.accept(await worker.take())
        with postgres.stopped():
            with pytest.raises(errors.StoreUnavailable) as caught:
                await plane.submit("n.f")
            assert caught.value.retry_after == 1
            with pytest.raises(errors.StoreUnavailable):
                await plane.get(running)
            with pytest.raises(errors.StoreUnavailable):
                await worker.report(execute)

        await worker.report(execute)
        assert (await plane.until(running, SUCCEEDED)).attempt == 1
        # The same stream goes on: the worker never noticed.
        async with asyncio.timeout(PATIENCE):
            after = await plane.submit("n.f")
            await worker.report(worker.accept(await worker.take()))
        await plane.until(after, SUCCEEDED)
