"""The calls that several benchmarks make."""

from __future__ import annotations

__all__ = ["INPUT", "SECONDS", "Call", "execute", "execute_async", "subject"]

from collections.abc import Awaitable, Callable
from functools import partial

import grpc

from agentfield.v1.execution_service_pb2 import ExecuteAsyncRequest, ExecuteRequest
from agentfield.v1.execution_service_pb2_grpc import ExecutionServiceStub
from bench.measure import Subject, closed_loop

INPUT = b'{"text": "The quick brown fox jumps over the lazy dog."}'
SECONDS = 0.7
"""How long each subject runs in each round."""

Call = Callable[[], Awaitable[object]]


def execute(channel: grpc.aio.Channel, target: str) -> Call:
    """Return the call that runs a function and waits for its result."""
    request = ExecuteRequest(target=target, input=INPUT)
    return partial(ExecutionServiceStub(channel).Execute, request)


def execute_async(channel: grpc.aio.Channel, target: str) -> Call:
    """Return the call that stores an execution."""
    request = ExecuteAsyncRequest(target=target, input=INPUT)
    return partial(ExecutionServiceStub(channel).ExecuteAsync, request)


def subject(name: str, call: Call, concurrency: int, *, yardstick: str = "") -> Subject:
    """Return a subject that keeps so many calls under way; the names get the concurrency."""
    suffix = f", {concurrency} at once"
    return Subject(
        name=name + suffix,
        run=partial(closed_loop, call, concurrency=concurrency, seconds=SECONDS),
        yardstick=yardstick and yardstick + suffix,
    )
