"""Every rpc of sessions, with every role and with session tokens, has its stated outcome."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import grpc
import pytest
from support.plane import Plane, config_for, keyring, running_plane
from support.storage import Storage

from agentfield.contract.facts import methods
from agentfield.contract.status import error_from_rpc
from agentfield.identity import Caller
from agentfield.v1 import agent_service_pb2 as aps
from agentfield.v1 import errors, session_pb2
from agentfield.v1 import execution_service_pb2 as eps
from agentfield.v1 import node_service_pb2 as nps
from agentfield.v1 import session_service_pb2 as sps
from agentfield.v1 import workflow_service_pb2 as wps
from agentfield.v1.agent_service_pb2_grpc import AgentServiceStub
from agentfield.v1.session_service_pb2_grpc import SessionServiceStub

pytestmark = pytest.mark.integration

CALLERS = (
    Caller(name="web", roles=frozenset({"client"})),
    Caller(name="other-web", roles=frozenset({"client"})),
    Caller(name="bot", roles=frozenset({"agent"}), nodes=("n*",)),
    Caller(name="other-bot", roles=frozenset({"agent"}), nodes=("m*",)),
    Caller(name="root", roles=frozenset({"admin"})),
    # Its pattern fits, but it did not register the node: it may see what runs there.
    Caller(name="third-bot", roles=frozenset({"agent"}), nodes=("n*",)),
)
OK, DENIED, NONE = "OK", "PERMISSION_DENIED", "SESSION_NOT_FOUND"
NO_KEY, NOT_A_TOOL = "PROVIDER_KEY_MISSING", "TOOL_NOT_ALLOWED"
OLD = "HANDLER_SUPERSEDED"
ONLY_AGENTS = [DENIED, DENIED, OLD, DENIED, OLD, DENIED, DENIED, DENIED, DENIED]

#                  web, other-web, bot, other-bot, root, third-bot, its token, another's, a start token
EXPECTED = {
    "StartSession": [OK, OK, OK, OK, OK, OK, DENIED, DENIED, OK],
    "CreateClientToken": [OK, OK, DENIED, DENIED, OK, DENIED, DENIED, DENIED, DENIED],
    "RealtimeOffer": [NO_KEY, NONE, NO_KEY, NONE, NO_KEY, NO_KEY, NO_KEY, NONE, DENIED],
    "InvokeTool": [
        NOT_A_TOOL,
        NONE,
        NOT_A_TOOL,
        NONE,
        NOT_A_TOOL,
        NOT_A_TOOL,
        NOT_A_TOOL,
        NONE,
        DENIED,
    ],
    "GetSession": [OK, NONE, OK, NONE, OK, OK, OK, NONE, DENIED],
    "ListSessions": [OK, OK, OK, OK, OK, OK, DENIED, DENIED, DENIED],
    "ListSessionWorkflows": [OK, NONE, OK, NONE, OK, OK, OK, NONE, DENIED],
    "HandleSession": ONLY_AGENTS,
    "Say": ONLY_AGENTS,
    "Respond": ONLY_AGENTS,
    "Interrupt": ONLY_AGENTS,
    "UpdateSession": ONLY_AGENTS,
    "ReportHandler": [DENIED, DENIED, OK, DENIED, OK, DENIED, DENIED, DENIED, DENIED],
    "EndSession": [OK, NONE, OK, NONE, OK, OK, OK, NONE, DENIED],
    "WatchSession": [OK, NONE, OK, NONE, OK, OK, OK, NONE, DENIED],
    # Its own token went with it.
    "DeleteSession": [OK, NONE, OK, NONE, OK, OK, "UNAUTHENTICATED", DENIED, DENIED],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """A session of ``web``'s on a node of ``bot``'s, and a further one of ``other-web``'s."""

    plane: Plane
    started: sps.StartSessionResponse
    other_token: str
    start_token: str

    @property
    def credentials(self) -> list[tuple[tuple[str, str], ...]]:
        keys = [(("x-api-key", caller.name),) for caller in CALLERS]
        tokens = (self.started.session_token, self.other_token, self.start_token)
        return [*keys, *((("authorization", f"Bearer {token}"),) for token in tokens)]

    def call(self, rpc: str) -> tuple[Any, Any]:
        sessions: Any = SessionServiceStub(self.plane.channel)
        agents: Any = AgentServiceStub(self.plane.channel)
        of: dict[str, Any] = {"session_id": self.started.session_id}
        command = {**of, "attempt": 9, "request_id": "r"}
        requests = {
            "StartSession": sps.StartSessionRequest(target="n.led"),
            "CreateClientToken": sps.CreateClientTokenRequest(target="n.led"),
            "RealtimeOffer": sps.RealtimeOfferRequest(**of, offer_sdp="v=0\r\nm=audio 9\r\n"),
            "InvokeTool": sps.InvokeToolRequest(**of, tool="n.other"),
            "GetSession": sps.GetSessionRequest(**of),
            "ListSessions": sps.ListSessionsRequest(),
            "ListSessionWorkflows": sps.ListSessionWorkflowsRequest(**of),
            "EndSession": sps.EndSessionRequest(**of),
            "WatchSession": sps.WatchSessionRequest(**of),
            "DeleteSession": sps.DeleteSessionRequest(**of),
            "HandleSession": aps.HandleSessionRequest(**of, attempt=9),
            "Say": aps.SayRequest(**command, text="Hello."),
            "Respond": aps.RespondRequest(**command),
            "Interrupt": aps.InterruptRequest(**command),
            "UpdateSession": aps.UpdateSessionRequest(**command),
            "ReportHandler": aps.ReportHandlerRequest(
                **of, attempt=9, outcome=aps.HANDLER_OUTCOME_RETURNED
            ),
        }
        stub = sessions if hasattr(sessions, rpc) else agents
        return getattr(stub, rpc), requests[rpc]

    async def outcome(self, rpc: str, metadata: tuple[tuple[str, str], ...]) -> str:
        """Call an rpc and return OK or the reason it failed with."""
        call, request = self.call(rpc)
        try:
            if rpc in {"WatchSession", "HandleSession"}:
                [message async for message in call(request, metadata=metadata)]
            else:
                await call(request, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            return error_from_rpc(error).reason
        return OK


@pytest.fixture
async def set_up(storage: Storage) -> AsyncIterator[SetUp]:
    config = replace(config_for(storage), keyring=keyring(*CALLERS), environment={})
    async with running_plane(config) as plane, a_worker(plane.as_("bot")):
        started = await start(plane.as_("web"), "n.handled")
        other = await start(plane.as_("other-web"), "n.led")
        token = await sessions_of(plane).CreateClientToken(
            sps.CreateClientTokenRequest(target="n.led"), metadata=(("x-api-key", "web"),)
        )
        yield SetUp(
            plane=plane,
            started=started,
            other_token=other.session_token,
            start_token=token.token,
        )


class a_worker:  # noqa: N801 - reads as a context
    """A connected worker that declares a session with a handler and one without."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane

    async def __aenter__(self) -> None:
        pair: dict[str, Any] = {"provider": "openai", "transport": "webrtc"}
        declared = await self._plane.call(
            self._plane.nodes.RegisterNode,
            nps.RegisterNodeRequest(
                node_id="n",
                instance_id="w",
                sessions=[
                    session_pb2.SessionDeclaration(name="handled", has_handler=True, **pair),
                    session_pb2.SessionDeclaration(name="led", **pair),
                ],
            ),
        )
        hello = aps.Hello(
            registration_id=declared.registration_id, max_executions=1, max_sessions=9
        )
        self._stream = self._plane.agents.Work(metadata=(("x-api-key", "bot"),))
        await self._stream.write(aps.WorkRequest(hello=hello))
        await self._stream.read()

    async def __aexit__(self, *_: object) -> None:
        self._stream.cancel()


def sessions_of(plane: Plane) -> Any:
    return SessionServiceStub(plane.channel)


async def start(plane: Plane, target: str) -> sps.StartSessionResponse:
    stub: Any = SessionServiceStub(plane.channel)
    response: sps.StartSessionResponse = await plane.call(
        stub.StartSession, sps.StartSessionRequest(target=target)
    )
    return response


def test_the_table_names_every_rpc_of_sessions() -> None:
    about_sessions = {
        name.rpartition("/")[2]
        for name, fact in methods().items()
        if "session_id" in fact.descriptor.input_type.fields_by_name
        or fact.descriptor.containing_service.name == "SessionService"
    }
    assert set(EXPECTED) == about_sessions - {"ListExecutions", "ListWorkflows"}


async def test_each_role_and_token_gets_its_stated_outcome(set_up: SetUp) -> None:
    found = {
        rpc: [await set_up.outcome(rpc, credential) for credential in set_up.credentials]
        for rpc in EXPECTED
    }

    assert found == EXPECTED


async def test_a_token_shows_the_executions_of_its_session_and_no_others(set_up: SetUp) -> None:
    own = (("authorization", f"Bearer {set_up.started.session_token}"),)
    other = (("authorization", f"Bearer {set_up.other_token}"),)
    get = eps.GetExecutionRequest(execution_id=set_up.started.root_execution_id)
    dag = wps.GetWorkflowRequest(run_id=set_up.started.run_id)
    plane = set_up.plane

    root = await plane.executions.GetExecution(get, metadata=own)
    assert root.execution.session_id == set_up.started.session_id
    assert (await plane.workflows.GetWorkflow(dag, metadata=own)).workflow.total_executions == 1
    calls: list[tuple[Any, Any]] = [
        (plane.executions.GetExecution, get),
        (plane.workflows.GetWorkflow, dag),
    ]
    for call, request in calls:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(request, metadata=other)
        assert error_from_rpc(refused.value).reason.endswith("NOT_FOUND")


async def test_whoever_did_not_register_the_node_neither_ends_as_its_handler_nor_frees_its_place(
    set_up: SetUp,
) -> None:
    of: dict[str, Any] = {"session_id": set_up.started.session_id, "attempt": 1}
    sessions: Any = SessionServiceStub(set_up.plane.channel)
    agents: Any = AgentServiceStub(set_up.plane.channel)
    report = aps.ReportHandlerRequest(**of, outcome=aps.HANDLER_OUTCOME_RETURNED)
    for call, request in (
        (sessions.EndSession, sps.EndSessionRequest(**of)),
        (agents.ReportHandler, report),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(request, metadata=(("x-api-key", "third-bot"),))
        assert error_from_rpc(refused.value).reason == DENIED

    # Its worker has room for nine, and still runs the first one.
    started = [await start(set_up.plane.as_("web"), "n.handled") for _ in range(8)]
    assert len(started) == 8
    with pytest.raises(errors.NodeUnavailable):
        await start(set_up.plane.as_("web"), "n.handled")


@pytest.mark.parametrize("guess", ["aft_guess", "afs_guess"])
async def test_an_unknown_token_is_nobody_even_where_no_key_is_needed(
    storage: Storage, guess: str
) -> None:
    async with running_plane(config_for(storage)) as plane:
        stub: Any = SessionServiceStub(plane.channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.ListSessions(
                sps.ListSessionsRequest(), metadata=(("authorization", f"Bearer {guess}"),)
            )
        assert error_from_rpc(refused.value).reason == "UNAUTHENTICATED"
