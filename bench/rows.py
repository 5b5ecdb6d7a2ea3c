"""Executions written straight into a store."""

from __future__ import annotations

__all__ = ["LIMITS", "NODE", "submission"]

from agentfield.config import Limits
from agentfield.executions.submission import Claims, Submission
from agentfield.identity import ANYONE
from agentfield.ids import new_id
from agentfield.nodes.model import Function, Registration
from bench.calls import INPUT

LIMITS = Limits(
    max_payload_bytes=8 * 1024 * 1024,
    max_depth=64,
    execute_timeout=90.0,
    execute_async_timeout=7200.0,
)
NODE = Registration(
    node_id="nobody",
    instance_id="bench",
    version="",
    description="",
    functions=(Function(name="echo", kind="skill"),),
)


def submission(*, parent: str = "", run_id: str = "") -> Submission:
    """Return a further request to execute, with new ids."""
    return Submission(
        rpc="ExecuteAsync",
        node_id=NODE.node_id,
        function="echo",
        input=INPUT,
        timeout=7200.0,
        claims=Claims(parent_execution_id=parent),
        caller=ANYONE,
        execution_id=new_id("exec"),
        run_id=run_id or new_id("run"),
    )
