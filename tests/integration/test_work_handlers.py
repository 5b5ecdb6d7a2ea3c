"""How handlers of sessions reach workers that declare them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest
from support.plane import (
    Plane,
    ScriptedWorker,
    config_for,
    connected,
)
from support.storage import Storage

from agentfield.app import App
from agentfield.bus import InProcessBus
from agentfield.dispatch.addresses import AddressPolicy
from agentfield.dispatch.dispatcher import Dispatcher
from agentfield.live.agents import AgentSide
from agentfield.nodes.engine import Nodes
from agentfield.rpc.agent_service import AgentService
from agentfield.rpc.interceptors import interceptors
from agentfield.rpc.local import LocalTransport
from agentfield.rpc.node_service import NodeService
from agentfield.rpc.server import Service, build_server
from agentfield.sessions.ports import HandlerStart
from agentfield.store.nodes import SqlNodes
from agentfield.store.work import SqlWork
from agentfield.v1 import (
    agent_service_pb2,
    errors,
    execution_pb2,
    node_service_pb2,
    session_pb2,
)

pytestmark = pytest.mark.integration


def declared(
    name: str = "talk", *, provider: str = "OpenAI", transport: str = "webrtc"
) -> session_pb2.SessionDeclaration:
    return session_pb2.SessionDeclaration(
        name=name, provider=provider, transport=transport, has_handler=True
    )


async def node_of(plane: Plane, node_id: str) -> node_service_pb2.Node:
    request = node_service_pb2.GetNodeRequest(node_id=node_id)
    answer = await plane.call(plane.nodes.GetNode, request)
    found: node_service_pb2.Node = answer.node
    return found


async def test_a_node_shows_the_sessions_of_its_newest_worker(plane: Plane) -> None:
    first = ScriptedWorker(plane, "n", sessions=[declared(), declared("sing")])
    await first.connect(max_sessions=3)
    node = await node_of(plane, "n")
    await ScriptedWorker(plane, "n", instance_id="w2", sessions=[declared()]).register()
    newer = await node_of(plane, "n")

    assert [(s.name, s.provider, s.has_handler) for s in node.sessions] == [
        ("talk", "openai", True),
        ("sing", "openai", True),
    ]
    assert node.sessions[0].limits.connect_timeout.seconds == 60
    assert [(w.instance_id, w.max_sessions) for w in node.workers] == [("w1", 3)]
    assert [s.name for s in newer.sessions] == ["talk"]


@pytest.mark.parametrize(
    ("sessions", "error"),
    [
        ([declared(transport="smoke")], errors.UnsupportedSessionTransport),
        ([declared(provider="")], errors.InvalidArgument),
        ([declared("f")], errors.InvalidArgument),
        ([declared(), declared()], errors.InvalidArgument),
    ],
)
async def test_a_registration_with_a_wrong_session_changes_nothing(
    plane: Plane,
    sessions: list[session_pb2.SessionDeclaration],
    error: type[errors.AgentFieldError],
) -> None:
    await ScriptedWorker(plane, "n", "f", sessions=[declared("sing")]).register()

    with pytest.raises(error):
        await ScriptedWorker(plane, "n", "f", sessions=sessions).register()

    assert [s.name for s in (await node_of(plane, "n")).sessions] == ["sing"]


async def test_a_function_cannot_call_itself_a_session(plane: Plane) -> None:
    request = node_service_pb2.RegisterNodeRequest(node_id="n", instance_id="w")
    request.functions.add(name="f", kind=execution_pb2.FUNCTION_KIND_SESSION)

    with pytest.raises(errors.InvalidArgument, match="reasoner or a skill"):
        await plane.call(plane.nodes.RegisterNode, request)


async def test_a_worker_runs_no_more_than_ten_thousand_handlers(plane: Plane) -> None:
    for wrong in (-1, 10_001):
        with pytest.raises(errors.InvalidArgument) as caught:
            await ScriptedWorker(plane, "n", "f").connect(max_sessions=wrong)
        assert caught.value.metadata == {"field": "max_sessions"}

    for right in (0, 10_000):
        await ScriptedWorker(plane, "n", "f").connect(max_sessions=right)


START = HandlerStart(
    session_id="sess_1",
    attempt=2,
    node_id="n",
    name="talk",
    root_execution_id="exec_1",
    run_id="run_1",
    actor_id="ada",
    traceparent="00-1-2-01",
)


def unused(_node_id: str) -> None:
    raise AssertionError("no worker here is called over HTTP")


@asynccontextmanager
async def floor(storage: Storage) -> AsyncIterator[tuple[Plane, Dispatcher]]:
    """Run the services that workers need, and show the dispatcher behind them."""
    config = config_for(storage)
    async with storage.open() as database:
        dispatcher = Dispatcher(
            store=SqlWork(database),
            hints=InProcessBus(),
            clock=database.now,
            replica_id=lambda: "repl_1",
        )
        nodes = Nodes(store=SqlNodes(database), addresses=AddressPolicy(), max_payload_bytes=10_000)
        served = [
            Service(
                descriptor=agent_service_pb2.DESCRIPTOR.services_by_name["AgentService"],
                # Of its rpcs Work alone is called here, which knows nothing of sessions.
                servicer=AgentService(dispatcher, cast("AgentSide", None), config),
            ),
            Service(
                descriptor=node_service_pb2.DESCRIPTOR.services_by_name["NodeService"],
                servicer=NodeService(nodes, dispatcher, unused, lease=60.0),
            ),
        ]
        chain = interceptors(None, {})
        server = build_server(served, chain, max_payload_bytes=10_000)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        app = App(
            grpc_address=f"127.0.0.1:{port}",
            http_address=None,
            transport=LocalTransport(served, chain),
        )
        try:
            async with connected(app) as plane:
                yield plane, dispatcher
        finally:
            await server.stop(0)


async def test_a_handler_reaches_its_worker_whole(storage: Storage) -> None:
    async with floor(storage) as (plane, dispatcher):
        assert dispatcher.places.place(START) is None
        worker = await ScriptedWorker(plane, "n", sessions=[declared()]).connect()

        assert dispatcher.places.place(START) == "w1"

        assert await worker.take_handler() == agent_service_pb2.StartHandler(
            session_id="sess_1",
            attempt=2,
            name="talk",
            root_execution_id="exec_1",
            run_id="run_1",
            actor_id="ada",
            traceparent="00-1-2-01",
        )


async def test_a_worker_that_comes_back_says_which_handlers_it_runs(storage: Storage) -> None:
    async with floor(storage) as (plane, dispatcher):
        worker = await ScriptedWorker(plane, "n", sessions=[declared()]).connect(max_sessions=1)
        assert dispatcher.places.place(START) == "w1"
        handler = await worker.take_handler()

        await worker.connect(max_sessions=1, handlers=[handler])
        assert dispatcher.places.place(START) is None
        dispatcher.places.free(handler.session_id, handler.attempt)
        assert dispatcher.places.place(START) == "w1"
        assert await worker.take_handler() == handler


async def test_a_worker_that_registers_anew_takes_its_new_sessions_when_it_connects(
    storage: Storage,
) -> None:
    async with floor(storage) as (plane, dispatcher):
        await ScriptedWorker(plane, "n", "f").connect()
        again = ScriptedWorker(plane, "n", "f", sessions=[declared()])
        await again.register()
        assert dispatcher.places.place(START) is None

        await again.connect()

        assert dispatcher.places.place(START) == "w1"
        assert (await again.take_handler()).name == "talk"
