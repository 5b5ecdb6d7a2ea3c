"""Every rpc, with every role and every credential, has its stated outcome."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from support.plane import SUCCEEDED, Plane, ScriptedWorker, config_for, keyring, running_plane
from support.storage import Storage

from agentfield.contract.facts import methods
from agentfield.contract.status import error_from_rpc
from agentfield.identity import Caller
from agentfield.v1 import (
    agent_service_pb2,
    errors,
    execution_service_pb2,
    journal_service_pb2,
    node_service_pb2,
    server_service_pb2,
    workflow_service_pb2,
)

pytestmark = pytest.mark.integration

CALLERS = (
    Caller(name="web", roles=frozenset({"client"})),
    Caller(name="other-web", roles=frozenset({"client"})),
    Caller(name="bot", roles=frozenset({"agent"}), nodes=("n*",)),
    Caller(name="other-bot", roles=frozenset({"agent"}), nodes=("m*",)),
    Caller(name="root", roles=frozenset({"admin"})),
)
WRONG = {
    "no credential": (),
    "unknown key": (("x-api-key", "guess"),),
    "unknown bearer": (("authorization", "Bearer guess"),),
    "another scheme": (("authorization", "Basic cm9vdDpyb290"),),
    "empty bearer": (("authorization", "Bearer "),),
}
OK, DENIED = "OK", "PERMISSION_DENIED"
NO_EXECUTION, NO_WORKFLOW = "EXECUTION_NOT_FOUND", "WORKFLOW_NOT_FOUND"
# The reasons that show a call was allowed and then met what the set-up holds.
TIMED_OUT, SUPERSEDED = "EXECUTION_TIMED_OUT", "ATTEMPT_SUPERSEDED"
PARENT_ENDED = "PARENT_ENDED"

#                       web        other-web     bot         other-bot     root
EXPECTED = {
    "Execute": [TIMED_OUT] * 5,
    "ExecuteAsync": [OK] * 5,
    "GetExecution": [OK, NO_EXECUTION, OK, NO_EXECUTION, OK],
    "BatchGetExecutions": [OK] * 5,
    "ListExecutions": [OK] * 5,
    "CancelExecution": [OK, NO_EXECUTION, OK, NO_EXECUTION, OK],
    "WatchExecution": [OK, NO_EXECUTION, OK, NO_EXECUTION, OK],
    "ReportExecution": [DENIED, DENIED, SUPERSEDED, DENIED, SUPERSEDED],
    "ListWorkflows": [OK] * 5,
    "GetWorkflow": [OK, NO_WORKFLOW, OK, NO_WORKFLOW, OK],
    "Query": [OK] * 5,
    "RegisterNode": [DENIED, DENIED, OK, DENIED, OK],
    "Heartbeat": [DENIED, DENIED, OK, DENIED, OK],
    "DeregisterNode": [DENIED, DENIED, OK, DENIED, OK],
    "GetNode": [OK] * 5,
    "ListNodes": [OK] * 5,
    "RecordExecution": [DENIED, DENIED, PARENT_ENDED, DENIED, PARENT_ENDED],
    "AddNote": [DENIED, DENIED, OK, NO_EXECUTION, OK],
    "ListNotes": [OK, NO_EXECUTION, OK, NO_EXECUTION, OK],
    "AppendLogs": [DENIED, DENIED, OK, NO_EXECUTION, OK],
    "ListLogs": [OK, NO_EXECUTION, OK, NO_EXECUTION, OK],
    "Work": [DENIED, DENIED, OK, DENIED, OK],
    "GetServerInfo": [OK] * 5,
}


class SetUp:
    """A node of ``bot``'s, and a cancelled execution of ``web``'s on it."""

    def __init__(
        self, plane: Plane, worker: ScriptedWorker, execution_id: str, run_id: str
    ) -> None:
        self.plane = plane
        execution: dict[str, Any] = {"execution_id": execution_id}
        node = {"node_id": "n"}
        worker_id = worker.registration_id
        execute = execution_service_pb2.ExecuteRequest(target="n.f")
        execute.timeout.FromMilliseconds(1)
        hello = agent_service_pb2.Hello(registration_id=worker.registration_id, max_executions=1)
        e, n, w = plane.executions, plane.nodes, plane.workflows
        j, js = plane.journal, journal_service_pb2
        es, ns, ws = execution_service_pb2, node_service_pb2, workflow_service_pb2
        self.calls: dict[str, tuple[Any, Any]] = {
            "Execute": (e.Execute, execute),
            "ExecuteAsync": (e.ExecuteAsync, es.ExecuteAsyncRequest(target="n.f")),
            "GetExecution": (e.GetExecution, es.GetExecutionRequest(**execution)),
            "BatchGetExecutions": (e.BatchGetExecutions, es.BatchGetExecutionsRequest()),
            "ListExecutions": (e.ListExecutions, es.ListExecutionsRequest()),
            "CancelExecution": (e.CancelExecution, es.CancelExecutionRequest(**execution)),
            "WatchExecution": (e.WatchExecution, es.WatchExecutionRequest(**execution)),
            "ReportExecution": (
                e.ReportExecution,
                es.ReportExecutionRequest(**execution, attempt=9, status=SUCCEEDED),
            ),
            "ListWorkflows": (w.ListWorkflows, ws.ListWorkflowsRequest()),
            "GetWorkflow": (w.GetWorkflow, ws.GetWorkflowRequest(run_id=run_id)),
            "Query": (w.Query, ws.QueryRequest(resource="executions")),
            "RegisterNode": (
                n.RegisterNode,
                ns.RegisterNodeRequest(node_id="n", instance_id="w9"),
            ),
            "Heartbeat": (
                n.Heartbeat,
                ns.HeartbeatRequest(node_id="n", registration_id=worker_id),
            ),
            "DeregisterNode": (
                n.DeregisterNode,
                ns.DeregisterNodeRequest(node_id="n", registration_id="reg_x"),
            ),
            "GetNode": (n.GetNode, ns.GetNodeRequest(**node)),
            "ListNodes": (n.ListNodes, ns.ListNodesRequest()),
            "RecordExecution": (
                j.RecordExecution,
                js.RecordExecutionRequest(
                    execution_id="inner",
                    node_id="n",
                    function="g",
                    parent_execution_id=execution_id,
                    status=SUCCEEDED,
                ),
            ),
            "AddNote": (j.AddNote, js.AddNoteRequest(**execution, message="so far so good")),
            "ListNotes": (j.ListNotes, js.ListNotesRequest(**execution)),
            "AppendLogs": (j.AppendLogs, js.AppendLogsRequest(**execution, entries=b"[{}]")),
            "ListLogs": (j.ListLogs, js.ListLogsRequest(**execution)),
            "Work": (plane.agents.Work, agent_service_pb2.WorkRequest(hello=hello)),
            "GetServerInfo": (
                plane.server.GetServerInfo,
                server_service_pb2.GetServerInfoRequest(),
            ),
        }

    async def outcome(self, rpc: str, metadata: tuple[tuple[str, str], ...]) -> str:
        """Call an rpc and return OK or the reason it failed with."""
        call, request = self.calls[rpc]
        try:
            if rpc == "Work":
                stream = call(metadata=metadata)
                await stream.write(request)
                await stream.read()
                stream.cancel()
            elif rpc == "WatchExecution":
                assert [change async for change in call(request, metadata=metadata)]
            else:
                await call(request, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            return error_from_rpc(error).reason
        return OK


@pytest.fixture
async def set_up(storage: Storage) -> AsyncIterator[SetUp]:
    config = replace(config_for(storage), keyring=keyring(*CALLERS))
    async with running_plane(config) as plane:
        worker = ScriptedWorker(plane.as_("bot"), "n", "f")
        await worker.register()
        web = plane.as_("web")
        execution_id = await web.submit("n.f")
        await web.cancel(execution_id)
        run_id = (await web.get(execution_id)).run_id
        yield SetUp(plane, worker, execution_id, run_id)


def test_the_table_names_every_rpc_that_is_not_about_sessions() -> None:
    """Those of sessions have a table of their own, in test_session_access.py."""
    rest = {
        name.rpartition("/")[2]
        for name, fact in methods().items()
        if "session_id" not in fact.descriptor.input_type.fields_by_name
        and fact.descriptor.containing_service.name != "SessionService"
    }
    listed = {"ListExecutions", "ListWorkflows"}  # they can be narrowed to a session
    assert set(EXPECTED) == rest | listed


async def test_each_role_gets_its_stated_outcome(set_up: SetUp) -> None:
    found = {
        rpc: [await set_up.outcome(rpc, (("x-api-key", c.name),)) for c in CALLERS]
        for rpc in EXPECTED
    }

    assert found == EXPECTED


async def test_a_bearer_token_is_the_same_as_an_api_key(set_up: SetUp) -> None:
    found = {
        rpc: await set_up.outcome(rpc, (("authorization", "Bearer other-web"),)) for rpc in EXPECTED
    }

    assert found == {rpc: outcomes[1] for rpc, outcomes in EXPECTED.items()}


@pytest.mark.parametrize("credential", WRONG)
async def test_without_a_known_key_nothing_is_answered(set_up: SetUp, credential: str) -> None:
    found = {rpc: await set_up.outcome(rpc, WRONG[credential]) for rpc in EXPECTED}

    assert found == dict.fromkeys(EXPECTED, "UNAUTHENTICATED")


async def test_health_is_open_and_reflection_is_not(set_up: SetUp) -> None:
    channel = set_up.plane.channel
    health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert health.status == health_pb2.HealthCheckResponse.SERVING

    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        [answer async for answer in stub.ServerReflectionInfo(iter([request]))]
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    answers = [
        answer
        async for answer in stub.ServerReflectionInfo(
            iter([request]), metadata=(("x-api-key", "web"),)
        )
    ]
    names = {service.name for service in answers[0].list_services_response.service}
    assert {name.split("/")[1] for name in methods()} <= names


async def test_one_lists_what_one_owns_or_serves(set_up: SetUp) -> None:
    async def listed(key: str) -> int:
        plane = set_up.plane.as_(key)
        request = execution_service_pb2.ListExecutionsRequest()
        answer = await plane.call(plane.executions.ListExecutions, request)
        runs = await plane.call(
            plane.workflows.ListWorkflows, workflow_service_pb2.ListWorkflowsRequest()
        )
        assert len(runs.workflows) == len(answer.executions)
        return len(answer.executions)

    await set_up.plane.as_("other-web").submit("n.f")

    counts = {caller.name: await listed(caller.name) for caller in CALLERS}
    assert counts == {"web": 1, "other-web": 1, "bot": 2, "other-bot": 0, "root": 2}


async def test_a_caller_sees_what_its_call_led_to_on_nodes_of_others(set_up: SetUp) -> None:
    web, bot = set_up.plane.as_("web"), set_up.plane.as_("bot")
    root = await web.submit("n.f")
    child = await bot.submit("n.f", parent=root)

    assert (await web.get(child)).created_by == "bot"
    with pytest.raises(errors.ExecutionNotFound):
        await set_up.plane.as_("other-web").submit("n.f", parent=root)


async def test_a_node_belongs_to_the_key_that_registered_it(storage: Storage) -> None:
    rival = Caller(name="rival", roles=frozenset({"agent"}), nodes=("*",))
    config = replace(config_for(storage), keyring=keyring(*CALLERS, rival))
    async with running_plane(config) as plane:
        mine = ScriptedWorker(plane.as_("bot"), "n", "f")
        await mine.register()

        with pytest.raises(errors.PermissionDenied, match="another key"):
            await ScriptedWorker(plane.as_("rival"), "n", "f", instance_id="w2").register()
        stolen = ScriptedWorker(plane.as_("rival"), "n", "f")
        stolen.registration_id = mine.registration_id
        with pytest.raises(errors.PermissionDenied, match="did not register"):
            await stolen.connect()


async def test_another_key_that_serves_a_matching_pattern_cannot_act_for_the_node(
    storage: Storage,
) -> None:
    rival = Caller(name="rival", roles=frozenset({"agent"}), nodes=("*",))
    config = replace(config_for(storage), keyring=keyring(*CALLERS, rival))
    async with running_plane(config) as plane:
        worker = await ScriptedWorker(plane.as_("bot"), "n", "f").connect()
        execution_id = await plane.as_("web").submit("n.f")
        execute = worker.accept(await worker.take())
        evil = ScriptedWorker(plane.as_("rival"), "n", "f")
        evil.registration_id = worker.registration_id

        for attempt in (
            evil.report(execute, b'"forged"', credit=False),
            evil.heartbeat(),
            evil.deregister(),
            evil.connect(),
        ):
            with pytest.raises(errors.PermissionDenied):
                await attempt

        await worker.report(execute, b'"true"')
        assert (await plane.as_("web").get(execution_id)).result == b'"true"'


async def test_a_sign_of_life_for_a_node_of_ones_own_says_nothing_of_another_s_worker(
    storage: Storage,
) -> None:
    config = replace(config_for(storage), keyring=keyring(*CALLERS))
    async with running_plane(config) as plane:
        bot, other = plane.as_("bot"), plane.as_("other-bot")
        address = node_service_pb2.RegisterNodeRequest(
            node_id="n", instance_id="w1", base_url="http://127.0.0.1:9"
        )
        theirs = (await bot.call(bot.nodes.RegisterNode, address)).registration_id
        await ScriptedWorker(other, "m", "f").register()
        sign = node_service_pb2.HeartbeatRequest(
            node_id="m", registration_id=theirs, status=node_service_pb2.WORKER_STATUS_OFFLINE
        )

        with pytest.raises(errors.RegistrationNotFound):
            await other.call(other.nodes.Heartbeat, sign)

        node = await bot.call(bot.nodes.GetNode, node_service_pb2.GetNodeRequest(node_id="n"))
        assert node.node.health == node_service_pb2.NODE_HEALTH_ACTIVE
        (worker,) = node.node.workers
        assert (worker.connected, worker.draining) == (True, False)


async def test_a_node_of_a_server_without_keys_goes_to_the_first_key_that_serves_it(
    storage: Storage,
) -> None:
    async with running_plane(config_for(storage)) as plane:
        await ScriptedWorker(plane, "n", "f").register()
    config = replace(config_for(storage), keyring=keyring(*CALLERS))
    async with running_plane(config) as plane:
        await ScriptedWorker(plane.as_("bot"), "n", "f").register()
        request = node_service_pb2.GetNodeRequest(node_id="n")
        bot = plane.as_("bot")
        assert (await bot.call(bot.nodes.GetNode, request)).node.created_by == "bot"


async def test_a_graph_does_not_tell_an_agent_why_others_failed(set_up: SetUp) -> None:
    web, bot, other = (set_up.plane.as_(key) for key in ("web", "bot", "other-bot"))
    theirs = await ScriptedWorker(other, "m", "g", instance_id="w7").connect()
    root = await web.submit("n.f")
    child = await bot.submit("m.g", parent=root)
    theirs.accept(await theirs.take())
    grandchild = await other.submit("m.g", parent=child)
    await theirs.fail(theirs.accept(await theirs.take()), "a secret of m")
    run_id = (await web.get(root)).run_id

    async def error_shown_to(plane: Plane) -> str:
        request = workflow_service_pb2.GetWorkflowRequest(run_id=run_id)
        answer = await plane.call(plane.workflows.GetWorkflow, request)
        return str(next(e.error for e in answer.executions if e.execution_id == grandchild))

    with pytest.raises(errors.ExecutionNotFound):
        await bot.get(grandchild)
    assert await error_shown_to(bot) == ""
    assert await error_shown_to(web) == "a secret of m"


async def test_request_ids_of_different_keys_do_not_meet(set_up: SetUp) -> None:
    ids = {
        await set_up.plane.as_(key).submit("n.f", b"{}", request_id="same")
        for key in ("web", "other-web")
    }

    assert len(ids) == 2
