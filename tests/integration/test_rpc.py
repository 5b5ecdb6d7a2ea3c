"""What happens around every rpc: unexpected errors, logs, metrics, health."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2
from prometheus_client import REGISTRY
from support.plane import FAILED, Plane, ScriptedWorker, config_for, keyring, running_plane

from agentfield.contract.facts import methods
from agentfield.identity import Caller
from agentfield.rpc.interceptors import interceptors
from agentfield.rpc.local import LocalTransport
from agentfield.rpc.server import Service
from agentfield.v1 import errors, server_service_pb2
from agentfield.v1 import execution_service_pb2 as pb

pytestmark = [pytest.mark.integration, pytest.mark.any_database]

SECRET, WORDS = "k3y-of-the-client", "what-a-person-said"


class Broken:
    """A servicer with a bug."""

    def __getattr__(self, name: str) -> object:
        async def unary(_request: object, _context: object) -> None:
            raise RuntimeError("a bug with details")

        async def stream(_request: object, _context: object) -> AsyncIterator[None]:
            raise RuntimeError("a bug with details")
            yield

        return stream if name.startswith("Watch") else unary


async def test_a_bug_is_an_internal_error_that_tells_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    get = methods()["/agentfield.v1.ExecutionService/GetExecution"]
    service = Service(descriptor=get.descriptor.containing_service, servicer=Broken())
    transport = LocalTransport([service], interceptors(None, {}))
    with pytest.raises(errors.Internal) as caught:
        await transport.unary(
            "/agentfield.v1.ExecutionService/GetExecution", pb.GetExecutionRequest(), metadata=()
        )
    assert "details" not in caught.value.message
    assert "a bug with details" in caplog.text
    with pytest.raises(errors.Internal):
        async for _ in transport.stream(
            "/agentfield.v1.ExecutionService/WatchExecution",
            pb.WatchExecutionRequest(),
            metadata=(),
        ):
            pass


async def test_a_call_with_a_wrong_key_is_not_logged_as_the_one_before_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    method = "/agentfield.v1.ExecutionService/GetExecution"
    service = Service(descriptor=methods()[method].descriptor.containing_service, servicer=Broken())
    ring = keyring(Caller(name="owner", roles=frozenset({"admin"})))
    transport = LocalTransport([service], interceptors(ring, {}))
    # As on one connection to the gateway: both in one context.
    for key, failure in (("owner", errors.Internal), ("wrong", errors.Unauthenticated)):
        metadata = (("x-api-key", key),)
        with pytest.raises(failure):
            await transport.unary(method, pb.GetExecutionRequest(), metadata=metadata)
    finished = [vars(r) for r in caplog.records if r.getMessage() == "rpc finished"]
    assert [(r["reason"], r["key"]) for r in finished] == [
        ("INTERNAL", "owner"),
        ("UNAUTHENTICATED", ""),
    ]


async def test_neither_keys_nor_words_are_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    owner = Caller(name="owner", roles=frozenset({"admin"}))
    ring = keyring(replace(owner, name=SECRET))
    async with running_plane(replace(config_for(tmp_path), keyring=ring)) as plane:
        mine = plane.as_(SECRET)
        worker = await ScriptedWorker(mine, "n", "f").connect()
        body = f'{{"text": "{WORDS}"}}'.encode()
        await mine.submit("n.f", body)
        await worker.report(worker.accept(await worker.take()), f'"{WORDS}"'.encode())
        failed = await mine.submit("n.f", body)
        await worker.fail(worker.accept(await worker.take()), WORDS)
        await mine.until(failed, FAILED)
        with pytest.raises(errors.ExecutionFailed, match=WORDS):
            await fails_with(mine, worker, body)
        with pytest.raises(errors.Unauthenticated):
            await plane.as_("another-" + SECRET).submit("n.f", body)

        request = pb.GetExecutionRequest(execution_id="exec_none")
        with pytest.raises(errors.ExecutionNotFound):
            await mine.call(mine.executions.GetExecution, request, x_execution_id="exec_caller")

    ours = [r for r in caplog.records if r.name.startswith("agentfield")]
    assert any(vars(r).get("from_execution") == "exec_caller" for r in ours)
    assert any(r.getMessage() == "rpc finished" for r in ours)
    logged = "".join(str(vars(r)) for r in ours).replace(f"'key': '{SECRET}'", "")
    assert WORDS not in logged
    assert SECRET not in logged


async def fails_with(plane: Plane, worker: ScriptedWorker, body: bytes) -> None:
    call = plane.executions.Execute(
        pb.ExecuteRequest(target="n.f", input=body), metadata=plane.metadata
    )
    await worker.fail(worker.accept(await worker.take()), WORDS)
    try:
        await call
    except grpc.aio.AioRpcError as error:
        raise errors.ExecutionFailed(error.details() or "") from None


async def test_rpcs_and_executions_are_counted(plane: Plane) -> None:
    def count(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    method = "/agentfield.v1.ExecutionService/GetExecution"
    before = count("agentfield_rpc_total", method=method, reason="EXECUTION_NOT_FOUND")
    done = count("agentfield_executions_total", status="succeeded")
    workers = count("agentfield_workers")

    with pytest.raises(errors.ExecutionNotFound):
        await plane.get("exec_none")
    worker = await ScriptedWorker(plane, "n", "f").connect()
    await plane.submit("n.f")
    await worker.report(await worker.take())

    after = count("agentfield_rpc_total", method=method, reason="EXECUTION_NOT_FOUND")
    assert after == before + 1
    assert count("agentfield_executions_total", status="succeeded") == done + 1
    assert count("agentfield_workers") == workers + 1


async def test_the_same_chain_runs_without_a_socket(tmp_path: Path) -> None:
    ring = keyring(Caller(name="web", roles=frozenset({"client"})))
    async with running_plane(replace(config_for(tmp_path), keyring=ring)) as plane:
        transport = plane.app.transport
        method = "/agentfield.v1.ServerService/GetServerInfo"
        request = server_service_pb2.GetServerInfoRequest()
        with pytest.raises(errors.Unauthenticated):
            await transport.unary(method, request, metadata=())

        info = await transport.unary(method, request, metadata=(("x-api-key", "web"),))
        health = await transport.unary(
            "/grpc.health.v1.Health/Check", health_pb2.HealthCheckRequest(), metadata=()
        )

    assert isinstance(info, server_service_pb2.GetServerInfoResponse)
    assert info.auth_mode == server_service_pb2.AUTH_MODE_API_KEY
    assert isinstance(health, health_pb2.HealthCheckResponse)
    assert health.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_call_without_a_socket_has_a_deadline_too(tmp_path: Path) -> None:
    async with running_plane(config_for(tmp_path)) as plane:
        await ScriptedWorker(plane, "n", "f").register()
        with pytest.raises(errors.DeadlineExceeded):
            await plane.app.transport.unary(
                "/agentfield.v1.ExecutionService/Execute",
                pb.ExecuteRequest(target="n.f"),
                metadata=(),
                timeout=0.05,
            )


async def test_two_words_for_one_run_must_agree(plane: Plane) -> None:
    await ScriptedWorker(plane, "n", "f").register()
    request = pb.ExecuteAsyncRequest(target="n.f")
    rpc = plane.executions.ExecuteAsync

    for claims in (
        {"x_run_id": "a"},
        {"x_workflow_id": "a"},
        {"x_run_id": "a", "x_workflow_id": "a"},
    ):
        assert (await plane.call(rpc, request, **claims)).run_id == "a"
    with pytest.raises(errors.InvalidArgument, match="differ"):
        await plane.call(rpc, request, x_run_id="a", x_workflow_id="b")


async def test_malformed_metadata_is_a_clear_error(plane: Plane) -> None:
    with pytest.raises(errors.InvalidArgument, match="parent_execution_id"):
        await plane.call(
            plane.executions.ExecuteAsync,
            pb.ExecuteAsyncRequest(target="n.f"),
            x_parent_execution_id="not an id",
        )
