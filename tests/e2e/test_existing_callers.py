"""The client of the existing SDK, unchanged, calls through our gateway."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from support.processes import AGENTS, EXISTING

from agentfield import Agent
from agentfield.testing import control_plane

pytestmark = pytest.mark.e2e


def desk() -> Agent:
    app = Agent("desk")

    @app.skill
    def find(q: int) -> list[int]:
        return [q, 2, 3]

    @app.reasoner
    def refuse(q: int) -> None:
        raise ValueError(f"none of {q} left")

    @app.skill
    async def wait() -> None:
        await asyncio.Event().wait()

    return app


async def told_by(url: str) -> list[dict[str, Any]]:
    """Run the caller to its end and return what it told."""
    caller = await asyncio.create_subprocess_exec(
        str(EXISTING), str(AGENTS / "existing_caller.py"), url, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(90):
        output, _ = await caller.communicate()
    assert caller.returncode == 0
    # It logs to the same stream.
    lines = output.decode().splitlines()
    return [json.loads(line) for line in lines if line.startswith('{"did"')]


async def test_a_caller_reads_results_failures_refusals_and_states() -> None:
    async with control_plane() as plane, desk().serving():
        told = await told_by(f"http://{plane.http_address}")

    executed = {"did": "executed", "node_id": "desk"}
    found, failed, refused, waited, asked, cancelled = told
    assert found == executed | {
        "status": "succeeded",
        "result": [1, 2, 3],
        "target": "desk.find",
        "type": "skill",
        "error_message": None,
        "error_details": None,
    }
    assert failed.items() >= (executed | {"status": "failed", "type": "reasoner"}).items()
    assert "none of 1 left" in failed["error_message"]
    assert refused["status"] == 404
    assert refused["text"].startswith("404, agent 'nobody' not found")
    assert refused["body"]["error_category"] == "target_not_found"
    assert waited == {"did": "waited", "result": [2, 2, 3]}
    assert asked["states"][0] == "succeeded"
    # It may ask before the worker has accepted.
    assert asked["states"][1] in {"queued", "running"}
    assert cancelled == {"did": "cancelled", "was": True}
