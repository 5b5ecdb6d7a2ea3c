"""What runs beside a block, and the errors that task groups wrap."""

from __future__ import annotations

__all__ = ["beside", "sole_error"]

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def beside(parts: Mapping[str, Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run each part as a task of its name until the block is left."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(part, name=name) for name, part in parts.items()]
        yield
        for task in running:
            task.cancel()


def sole_error(error: BaseException) -> BaseException:
    """Return the error itself, or the one error of a group of one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
