"""GetWorkflow of a large run and of a small one."""

from __future__ import annotations

__all__ = ["measure"]

import asyncio
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentfield.identity import ANYONE
from agentfield.ids import new_id
from agentfield.store.executions import SqlExecutions
from agentfield.store.nodes import SqlNodes
from agentfield.store.sqlite import SqliteDatabase
from agentfield.v1.workflow_service_pb2 import GetWorkflowRequest
from agentfield.v1.workflow_service_pb2_grpc import WorkflowServiceStub
from bench.measure import Subject, closed_loop, interleaved, table
from bench.rows import LIMITS, NODE, submission
from bench.servers import connected, control_plane

if TYPE_CHECKING:  # this name exists for type checkers only
    from agentfield.v1.workflow_service_pb2_grpc import WorkflowServiceAsyncStub

LARGE, SMALL = 10_000, 100
CHILDREN = 10
SECONDS = 0.5
TITLE = "workflow: runs read with GetWorkflow, at most 1000 executions to a page"


async def measure() -> str:
    """Return the table."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        async with SqliteDatabase(data_dir) as database:
            await SqlNodes(database).register(NODE, ANYONE)
            store = SqlExecutions(database)
            large, small = await _tree(store, LARGE), await _tree(store, SMALL)
        async with control_plane(data_dir) as plane, connected(plane.grpc) as channel:
            stub = WorkflowServiceStub(channel)
            yardstick = f"first page of {SMALL}"
            subjects = [
                _subject(yardstick, partial(_read, stub, small, whole=False)),
                _subject(
                    f"first page of {LARGE}", partial(_read, stub, large, whole=False), yardstick
                ),
                _subject(
                    f"all pages of {LARGE}", partial(_read, stub, large, whole=True), yardstick
                ),
            ]
            return table(TITLE, subjects, await interleaved(subjects, rounds=5))


def _subject(name: str, read: partial[Any], yardstick: str = "") -> Subject:
    run = partial(closed_loop, read, concurrency=1, seconds=SECONDS)
    return Subject(name=name, run=run, yardstick=yardstick)


async def _tree(store: SqlExecutions, size: int) -> str:
    """Store a run of this size in which an execution has up to ten children; return its id."""
    run_id = new_id("run")
    ids = [(await store.add(submission(run_id=run_id), LIMITS)).execution.execution_id]
    while len(ids) < size:
        # A level at a time: a parent is on disk before its children are added.
        wanted = range(len(ids), min(size, len(ids) * CHILDREN + 1))
        async with asyncio.TaskGroup() as tasks:
            level = [
                tasks.create_task(
                    store.add(submission(parent=ids[(number - 1) // CHILDREN]), LIMITS)
                )
                for number in wanted
            ]
        ids += [added.result().execution.execution_id for added in level]
    return run_id


async def _read(stub: WorkflowServiceAsyncStub, run_id: str, *, whole: bool) -> None:
    request = GetWorkflowRequest(run_id=run_id)
    while True:
        request.page_token = (await stub.GetWorkflow(request)).next_page_token
        if not (whole and request.page_token):
            return
