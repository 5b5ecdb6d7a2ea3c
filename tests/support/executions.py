"""Executions of a node."""

from __future__ import annotations

__all__ = ["registered"]


from support.plane import (
    Plane,
    ScriptedWorker,
)


async def registered(plane: Plane, node_id: str = "n") -> ScriptedWorker:
    worker = ScriptedWorker(plane, node_id, "f")
    await worker.register()
    return worker
