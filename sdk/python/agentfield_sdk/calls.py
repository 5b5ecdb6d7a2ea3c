"""Calling reasoners and skills of any node."""

from __future__ import annotations

__all__ = ["Calls"]

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from agentfield.v1 import errors
from agentfield.v1.execution_service_pb2 import ExecuteAsyncRequest, ExecuteRequest
from agentfield.v1.node_service_pb2 import GetNodeRequest
from agentfield_sdk.connection import Connection
from agentfield_sdk.handle import ExecutionHandle
from agentfield_sdk.payload import dump, duration, load

# A node that is deployed again may have reordered its parameters.
_NAMES_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls with the same options. Within an execution they are its children."""

    connection: Connection
    timeout: float | None = None
    request_id: str = ""
    actor_id: str = ""
    _names: dict[str, tuple[float, Sequence[str]]] = field(default_factory=dict)
    """The parameters of targets, and when they were read."""

    def with_options(
        self, *, timeout: float | None = None, request_id: str = "", actor_id: str = ""
    ) -> Calls:
        """Return calls with other options.

        ``timeout`` is the execution's, in seconds. Calls of the same target and input with one
        ``request_id`` share one execution. ``actor_id`` says who it is for; what it calls inherits
        it.
        """
        return replace(self, timeout=timeout, request_id=request_id, actor_id=actor_id)

    async def call(self, target: str, /, *args: Any, **kwargs: Any) -> Any:
        """Run ``node.function`` and return its result; the arguments are the function's alone.

        Raises the class of ``agentfield.v1.errors`` that says why there is no result.
        """
        response = await self.connection.call(
            self.connection.executions.Execute,
            ExecuteRequest(
                target=target,
                input=await self._input(target, args, kwargs),
                timeout=duration(self.timeout),
                request_id=self.request_id,
            ),
            metadata=self._metadata(),
        )
        return load(response.result)

    async def submit(self, target: str, /, *args: Any, **kwargs: Any) -> ExecutionHandle:
        """Store an execution of ``node.function`` and return a handle of it at once."""
        response = await self.connection.call(
            self.connection.executions.ExecuteAsync,
            ExecuteAsyncRequest(
                target=target,
                input=await self._input(target, args, kwargs),
                timeout=duration(self.timeout),
                request_id=self.request_id,
            ),
            metadata=self._metadata(),
        )
        return ExecutionHandle(
            self.connection, execution_id=response.execution_id, run_id=response.run_id
        )

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (("x-actor-id", self.actor_id),) if self.actor_id else ()

    async def _input(self, target: str, args: Sequence[Any], kwargs: dict[str, Any]) -> bytes:
        if not args:
            return dump(kwargs)
        names = (await self._parameters(target))[: len(args)]
        if len(names) < len(args):
            raise errors.InvalidArgument(
                f"{target} takes {len(names)} arguments, and {len(args)} were given.",
                metadata={"field": "input"},
            )
        for name in names:
            if name in kwargs:
                raise errors.InvalidArgument(
                    f"{target} was given its argument '{name}' twice.", metadata={"field": "input"}
                )
        return dump(dict(zip(names, args, strict=True)) | kwargs)

    async def _parameters(self, target: str) -> Sequence[str]:
        now = asyncio.get_running_loop().time()
        read_at, names = self._names.get(target, (0.0, ()))
        if target in self._names and now - read_at < _NAMES_SECONDS:
            return names
        node_id, _, function = target.partition(".")
        response = await self.connection.call(
            self.connection.nodes.GetNode, GetNodeRequest(node_id=node_id)
        )
        for declared in response.node.functions:
            if declared.name == function:
                names = tuple(orjson.loads(declared.input_schema or b"{}").get("properties", {}))
                self._names[target] = (now, names)
                return names
        raise errors.TargetNotFound(
            f"Node '{node_id}' has no function '{function}'.",
            metadata={"node_id": node_id, "function": function},
        )
