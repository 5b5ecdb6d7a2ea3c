from __future__ import annotations

import asyncio

import pytest
from unit.sdk.fake_plane import FakePlane

import agentfield
import agentfield_sdk
from agentfield.v1 import errors
from agentfield.v1.node_service_pb2 import RegisterNodeResponse
from agentfield_sdk import Agent, InvalidDeclaration

pytestmark = pytest.mark.unit


def test_a_declared_function_stays_what_it_was() -> None:
    app = Agent("node")

    def plain(x: int) -> int:
        return x

    assert app.reasoner(plain) is plain
    assert app.skill("named", tags=["a"])(plain) is plain
    assert app.skill(name="also")(plain) is plain
    assert app.skill("one", description="Something.")(lambda: 1)() == 1


def test_what_the_control_plane_would_refuse_is_refused_at_once() -> None:
    for node_id in ("", "a b", "ä", "x" * 129):
        with pytest.raises(ValueError, match="node's id"):
            Agent(node_id)
    with pytest.raises(ValueError, match="max_executions"):
        Agent("node", max_executions=0)
    with pytest.raises(ValueError, match="<lambda>"):
        Agent("node").skill(lambda: 1)
    with pytest.raises(ValueError, match="function's name"):
        Agent("node").skill("a b")(lambda: 1)


def test_a_node_has_a_name_once() -> None:
    app = Agent("node")
    app.reasoner("f")(lambda: 1)

    with pytest.raises(InvalidDeclaration, match="has a function 'f' already"):
        app.skill("f")(lambda: 2)


async def test_an_agent_that_is_not_served_can_call_nobody() -> None:
    with pytest.raises(RuntimeError, match="'node' is not being served"):
        await Agent("node").call("a.b")


async def test_an_agent_is_served_once_at_a_time() -> None:
    app = Agent("node", server="127.0.0.1:1")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(app.serve())
        while app._stop is None:
            await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="served already"):
            await app.serve()
        app.stop()


async def test_what_the_block_raises_comes_out_as_it_is(plane: FakePlane) -> None:
    plane.answers("RegisterNode", RegisterNodeResponse(registration_id="reg_1"))
    app = Agent("node", server=plane.address)

    async def use() -> None:
        async with app.serving():
            raise KeyError("mine")

    async with asyncio.TaskGroup() as tasks:
        using = tasks.create_task(_raised_by(use()))
        (await plane.work()).welcomes()

    assert isinstance(using.result(), KeyError)


async def _raised_by(use: object) -> BaseException | None:
    try:
        await use  # type: ignore[misc]
    except KeyError as error:
        return error
    return None


def test_every_reason_is_exported() -> None:
    names = {kind.__name__ for kind in errors.BY_REASON.values()} | {"AgentFieldError"}

    assert names <= set(agentfield_sdk.__all__)
    assert all(hasattr(agentfield_sdk, name) for name in agentfield_sdk.__all__)
    assert agentfield.Agent is Agent
