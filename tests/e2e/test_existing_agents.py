"""Agents that are built with the existing SDK, unchanged, and called by our server."""

from __future__ import annotations

import asyncio
import hashlib
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.processes import Existing, World

from agentfield import Client
from agentfield.v1 import errors

pytestmark = pytest.mark.e2e


class Rest:
    """The REST calls that scripts and pages make."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    async def get(self, path: str) -> Any:
        """Return the JSON of a successful answer."""
        async with self._http.get(f"/api/v1/{path}") as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        """Return status and JSON of an answer."""
        async with self._http.post(f"/api/v1/{path}", json=body) as answer:
            return answer.status, await answer.json()


@asynccontextmanager
async def calling(world: World, key: str = "") -> AsyncIterator[Rest]:
    headers = {"X-API-Key": key} if key else {}
    async with aiohttp.ClientSession(f"http://{world.http}", headers=headers) as http:
        yield Rest(http)


@pytest.fixture
async def rest(world: World) -> AsyncIterator[Rest]:
    async with calling(world) as calls:
        yield calls


async def support(world: World, *flags: str, grace: float = 2.0) -> Existing:
    """Start a server and an existing agent."""
    await world.server(*flags, grace=grace)
    return await world.existing("support")


def edges(executions: Any) -> Counter[tuple[str, str]]:
    """Return who called whom, how often."""
    by_id = {e.execution_id: e for e in executions}
    return Counter(
        (by_id[e.parent_execution_id].target if e.parent_execution_id else "", e.target)
        for e in executions
    )


async def test_it_registers_and_returns_objects_lists_and_scalars(
    world: World, client: Client, rest: Rest
) -> None:
    agent = await support(world)

    node = await rest.get("nodes/support")
    assert (node["id"], node["base_url"]) == ("support", f"http://127.0.0.1:{agent.port}")
    assert (node["health_status"], node["description"]) == ("active", "Answers for support.")
    assert {"resolve", "numbers"} < {one["id"] for one in node["reasoners"]}
    assert {one["id"] for one in node["skills"]} == {"count", "slow"}
    assert [one["name"] for one in node["sessions"]] == ["voice"]

    assert await client.call("support.helper", topic="hats") == {"for": "hats"}
    # The number is larger than a double can hold.
    assert await client.call("support.numbers") == [1, 2, 9007199254740993]
    status, answer = await rest.post("execute/support.count", {"input": {"word": "four"}})
    assert (status, answer["status"], answer["result"]) == (200, "succeeded", 4)


async def test_nested_calls_notes_and_logs_belong_to_one_workflow(
    world: World, client: Client, rest: Rest
) -> None:
    await support(world)

    handle = await client.submit("support.resolve", topic="hats")
    result = await handle.result()
    assert result["helped"] == {"for": "hats"}

    dag = await client.workflow(handle.run_id)
    assert edges(dag.executions) == {
        ("", "support.resolve"): 1,
        ("support.resolve", "support.helper"): 1,
    }
    assert {e.status for e in dag.executions} == {"succeeded"}
    noted = await until_some(rest, f"executions/{handle.execution_id}/notes", "notes")
    assert [(one["message"], one["tags"]) for one in noted] == [("resolving hats", ["support"])]
    logged = await until_some(rest, f"executions/{handle.execution_id}/logs", "entries")
    assert {entry["entry"]["execution_id"] for entry in logged} == {handle.execution_id}


async def until_some(rest: Rest, path: str, name: str) -> list[Any]:
    """Return a list that fills while nobody tells of it."""
    async with asyncio.timeout(20):
        while not (found := (await rest.get(path))[name]):
            await asyncio.sleep(0.02)
    items: list[Any] = found
    return items


async def test_a_call_inside_its_process_is_part_of_the_workflow(
    world: World, client: Client
) -> None:
    await support(world)

    handle = await client.submit("support.inside", topic="hats")
    assert await handle.result() == {"inner": {"helped": {"for": "hats"}}}

    dag = await client.workflow(handle.run_id)
    assert edges(dag.executions) == {
        ("", "support.inside"): 1,
        ("support.inside", "support.inner"): 1,
        ("support.inner", "support.helper"): 1,
    }


async def test_failures_keep_the_status_that_the_agent_gave_them(
    world: World, client: Client, rest: Rest
) -> None:
    await support(world)

    status, answer = await rest.post("execute/support.fails", {"input": {"topic": "milk"}})
    assert (status, answer["error"]) == (502, "no milk today")
    status, answer = await rest.post("execute/support.refuses", {"input": {"topic": "milk"}})
    assert (status, answer["error"]) == (409, "out of milk")
    found = await rest.get(f"executions/{answer['execution_id']}")
    assert (found["status"], found["status_reason"]) == ("failed", "agent_client_error:409")
    status, answer = await rest.post("execute/support.helper", {"input": {}})
    assert (status, answer["reason"]) == (422, "INVALID_INPUT")
    assert answer["error"] == 'agent error (422): {"detail":"Missing required field: topic"}'
    with pytest.raises(errors.InvalidInput):
        await client.call("support.helper")


async def test_a_call_that_is_refused_leaves_no_record_though_it_is_made_three_times(
    world: World, client: Client
) -> None:
    await support(world)

    handle = await client.submit("support.asks_for_nothing")
    assert "target 'nothing' not found on agent 'support'" in (await handle.result())["refused"]

    dag = await client.workflow(handle.run_id)
    assert [e.target for e in dag.executions] == ["support.asks_for_nothing"]


async def test_a_workflow_crosses_existing_agents_and_ours(world: World, client: Client) -> None:
    await world.server()
    await world.existing("left")
    await world.existing("right")
    await world.agent("between.py")

    handle = await client.submit("left.across", target="between.ask", topic="hats")
    answer = (await handle.result())["answer"]
    assert answer["helped"] == {"for": "hats"}

    dag = await client.workflow(handle.run_id)
    assert edges(dag.executions) == {
        ("", "left.across"): 1,
        ("left.across", "between.ask"): 1,
        ("between.ask", "right.resolve"): 1,
        ("right.resolve", "right.helper"): 1,
    }


async def test_a_killed_server_is_not_noticed_by_what_runs(
    world: World, client: Client, rest: Rest
) -> None:
    server = await world.server(grace=10.0)
    await world.existing("support")
    registered_at = (await rest.get("nodes/support"))["registered_at"]
    later = await client.submit("support.waits", name="later")
    at_once = await client.submit("support.slow", name="at-once")
    await world.until(lambda: set(world.runs()) == {"begins later", "begins at-once"})

    await server.kill()
    await world.server(grace=10.0)
    world.gate.touch()

    assert await client.handle(later.execution_id).result() == {"name": "later"}
    # Its connection broke with the server; its agent tells the result in its events.
    assert await client.handle(at_once.execution_id).result() == "at-once"
    assert await client.call("support.count", word="four") == 4
    assert (await rest.get("nodes/support"))["registered_at"] == registered_at
    assert Counter(world.runs()) == {"begins later": 1, "begins at-once": 1, "ends later": 1}


async def test_what_a_killed_agent_ran_is_lost_once_its_successor_is_there(
    world: World, client: Client
) -> None:
    agent = await support(world, grace=0.5)
    lost = await client.submit("support.waits", name="lost")
    await world.until(lambda: world.runs() == ["begins lost"])

    await agent.process.kill()
    waiting = await client.submit("support.count", word="four")
    await world.existing("support", port=agent.port)

    assert await waiting.result() == 4
    with pytest.raises(errors.AgentLost):
        await lost.result()


async def test_an_agent_that_leaves_finishes_what_it_runs_and_gets_no_more(
    world: World, client: Client, rest: Rest
) -> None:
    agent = await support(world, grace=0.2)
    last = await client.submit("support.waits", name="last")
    await world.until(lambda: world.runs() == ["begins last"])

    agent.process.signal(signal.SIGTERM)
    await until_health(rest, "inactive")
    status, answer = await rest.post("execute/async/support.count", {"input": {}})
    assert (status, answer["error"]) == (503, "node_unavailable")
    assert answer["message"] == "agent node 'support' is offline; start the node and retry"
    world.gate.touch()

    assert await last.result() == {"name": "last"}


async def until_health(rest: Rest, health: str) -> None:
    async with asyncio.timeout(20):
        while (await rest.get("nodes/support"))["health_status"] != health:
            await asyncio.sleep(0.02)


async def test_a_silent_agent_is_inactive_until_it_is_heard_again(
    world: World, client: Client, rest: Rest
) -> None:
    # It gives a sign of life every two seconds.
    agent = await support(world, "--heartbeat-timeout=4", grace=20.0)

    agent.process.signal(signal.SIGSTOP)
    await until_health(rest, "inactive")
    with pytest.raises(errors.NodeUnavailable, match=r"is not reachable \(health: inactive\)"):
        await client.submit("support.count", word="four")
    agent.process.signal(signal.SIGCONT)
    await until_health(rest, "active")

    assert await client.call("support.count", word="four") == 4


async def test_cancelling_stops_it_in_its_process(world: World, client: Client) -> None:
    await support(world)
    handle = await client.submit("support.waits", name="long")
    await world.until(lambda: world.runs() == ["begins long"])

    assert (await handle.cancel("enough")).status == "cancelled"

    await world.until(lambda: world.runs() == ["begins long", "stopped long"])
    with pytest.raises(errors.ExecutionCancelled, match="enough"):
        await handle.result()


async def test_a_late_event_revives_nothing_and_an_unknown_one_begins_nothing(
    world: World, client: Client, rest: Rest
) -> None:
    await support(world)
    handle = await client.submit("support.count", word="four")
    await handle.result()
    event = {
        "execution_id": handle.execution_id,
        "agent_node_id": "support",
        "reasoner_id": "count",
        "status": "running",
        "type": "count",
    }

    status, answer = await rest.post("workflow/executions/events", event)
    assert (status, answer["status"]) == (200, "succeeded")
    status, _ = await rest.post("workflow/executions/events", event | {"status": "failed"})
    assert (await rest.get(f"executions/{handle.execution_id}"))["status"] == "succeeded"

    unknown = event | {"execution_id": "exec_1_1", "parent_execution_id": "exec_1_0"}
    status, answer = await rest.post("workflow/executions/events", unknown)
    assert (status, answer["reason"]) == (404, "EXECUTION_NOT_FOUND")
    assert len((await rest.get("executions"))["executions"]) == 1


async def test_only_the_key_that_registered_it_reports_for_it(world: World, tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text(
        "\n".join(
            f'[[keys]]\nname = "{name}"\nroles = ["agent", "client"]\nnodes = ["*"]\n'
            f'sha256 = "{hashlib.sha256(name.encode()).hexdigest()}"\n'
            for name in ("theirs", "other")
        )
    )
    await world.server(f"--api-keys={keys}")
    await world.existing("support", key="theirs")

    async with calling(world, "theirs") as theirs, calling(world, "other") as other:
        status, answer = await theirs.post("execute/async/support.waits", {"input": {"name": "x"}})
        assert status == 202
        path = f"executions/{answer['execution_id']}/status"
        forged = {"status": "succeeded", "result": {"forged": True}}
        await world.until(lambda: world.runs() == ["begins x"])
        assert (await other.post(path, forged))[0] == 403
        assert (await other.post("nodes/support/heartbeat", {"status": "ready"}))[0] == 403
        assert (await other.post("nodes/support/shutdown", {}))[0] == 403
        world.gate.touch()
        async with asyncio.timeout(20):
            while (found := await theirs.get(path.removesuffix("/status")))["status"] == "running":
                await asyncio.sleep(0.02)
    assert (found["status"], found["result"]) == ("succeeded", {"name": "x"})
