"""An agent: a node of reasoners, skills and sessions."""

from __future__ import annotations

__all__ = ["Agent"]

import asyncio
import logging
import os
import re
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any, TypeVar, Unpack

from agentfield.process.exporting import exporting
from agentfield.process.groups import sole_error
from agentfield.process.logs import configure_logging
from agentfield.v1.errors import AgentFieldError
from agentfield.v1.execution_pb2 import FunctionKind
from agentfield.v1.node_service_pb2 import Function, RegisterNodeRequest
from agentfield_sdk.calls import Calls
from agentfield_sdk.connection import Connection
from agentfield_sdk.declarer import Declarer
from agentfield_sdk.functions import DeclaredFunction
from agentfield_sdk.handle import ExecutionHandle
from agentfield_sdk.session_checks import InvalidDeclaration
from agentfield_sdk.session_declaration import (
    DeclaredSession,
    Handler,
    check_handler,
    declare_session,
)
from agentfield_sdk.session_options import SessionOptions
from agentfield_sdk.worker import Worker

H = TypeVar("H", bound=Handler)

DRAIN_SECONDS = 30.0
_NODE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class Agent:
    """A node of the control plane.

    ``server`` is ``host:port``, or ``grpcs://host:port`` for TLS (else AGENTFIELD_GRPC, else
    localhost:8180), ``api_key`` the key to show (else AGENTFIELD_API_KEY). ``max_executions`` is how many executions this process works on
    at once, not counting those that wait for calls of their own, ``max_sessions`` how many session
    handlers it runs beside them.
    """

    def __init__(
        self,
        node_id: str,
        *,
        server: str | None = None,
        api_key: str | None = None,
        version: str = "",
        description: str = "",
        max_executions: int = 64,
        max_sessions: int = 64,
    ) -> None:
        if not _NODE_ID.fullmatch(node_id):
            raise ValueError(
                f"'{node_id}' cannot be a node's id: letters, digits, _ and -, at most 128."
            )
        if max_executions < 1:
            raise ValueError(f"max_executions is at least 1, not {max_executions}.")
        if max_sessions < 0:
            raise ValueError(f"max_sessions is at least 0, not {max_sessions}.")
        self.node_id = node_id
        self._server = server
        self._api_key = api_key
        self._version = version
        self._description = description
        self._max_executions = max_executions
        self._max_sessions = max_sessions
        self._functions: dict[str, DeclaredFunction] = {}
        self._sessions: dict[str, DeclaredSession] = {}
        self._calls: Calls | None = None
        self._stop: asyncio.Event | None = None
        self.reasoner = Declarer("reasoner", self._functions, self._check_new)
        """Declares a function that thinks, usually with a model."""
        self.skill = Declarer("skill", self._functions, self._check_new)
        """Declares a plain function."""

    def session(self, name: str, /, **options: Unpack[SessionOptions]) -> Callable[[H], H]:
        """Declare a session whose conversation the decorated async function leads.

        The function is given a RealtimeSession and stays what it was; when it has returned, the
        model leads. The options are those of ``SessionOptions``. Raises SessionTransportError for a
        transport the provider does not have, InvalidDeclaration for what else cannot be declared
        (both are ValueErrors), TypeError for an option that does not exist and for a function that
        cannot be a handler.
        """
        if callable(name):
            raise TypeError(
                'A session has a name: write @app.session("name", provider=…, transport=…).'
            )
        declaration = declare_session(name, has_handler=True, **options)

        def declared(handler: H) -> H:
            check_handler(handler)
            self._declare(DeclaredSession(declaration=declaration, handler=handler))
            return handler

        return declared

    def add_session(self, name: str, /, **options: Unpack[SessionOptions]) -> None:
        """Declare a session without a handler: its model leads from the start.

        Options and errors are those of ``session``.
        """
        declaration = declare_session(name, has_handler=False, **options)
        self._declare(DeclaredSession(declaration=declaration, handler=None))

    def _declare(self, session: DeclaredSession) -> None:
        name = session.declaration.name
        self._check_new(name)
        self._sessions[name] = session

    def _check_new(self, name: str) -> None:
        for kind, declared in (("function", self._functions), ("session", self._sessions)):
            if name in declared:
                raise InvalidDeclaration(
                    f"This node has a {kind} '{name}' already; names are unique among the "
                    "functions and sessions of a node.",
                    metadata={"field": "name"},
                )

    async def call(self, target: str, /, *args: Any, **kwargs: Any) -> Any:
        """Run ``node.function`` and return its result; the arguments are the function's alone.

        Within an execution it is a child of it. Raises the class of ``agentfield.v1.errors`` that
        says why there is no result.
        """
        return await self._open_calls.call(target, *args, **kwargs)

    async def submit(self, target: str, /, *args: Any, **kwargs: Any) -> ExecutionHandle:
        """Store an execution of ``node.function`` and return a handle of it at once."""
        return await self._open_calls.submit(target, *args, **kwargs)

    def with_options(
        self, *, timeout: float | None = None, request_id: str = "", actor_id: str = ""
    ) -> Calls:
        """Return calls with options: see ``Calls.with_options``."""
        return self._open_calls.with_options(
            timeout=timeout, request_id=request_id, actor_id=actor_id
        )

    @property
    def _open_calls(self) -> Calls:
        if self._calls is None:
            raise RuntimeError(f"Agent '{self.node_id}' is not being served: it can call nobody.")
        return self._calls

    def run(self, *, drain_timeout: float = DRAIN_SECONDS) -> None:
        """Serve until a signal comes.

        The first SIGTERM or SIGINT lets running work finish, the second one leaves at once. Logs go
        to stderr as JSON lines, unless the program has set logging up by itself. If the control
        plane refuses the node, the program says why and exits with 1.
        """
        if not logging.getLogger().handlers:
            configure_logging("info")
        try:
            asyncio.run(self._serve_until_signalled(drain_timeout))
        except AgentFieldError as error:
            sys.exit(f"error: {error.message} ({error.reason})")

    async def serve(self, *, drain_timeout: float = DRAIN_SECONDS) -> None:
        """Connect and work until ``stop``, then let running work finish for ``drain_timeout`` s.

        Raises PermissionDenied and its like if the control plane refuses the node at first; later
        it connects again for ever.
        """
        async with self._working(drain_timeout):
            self._stop = asyncio.Event()
            await self._stop.wait()

    def stop(self) -> None:
        """Make ``serve`` take no more work and return when the running work has finished."""
        if self._stop is not None:
            self._stop.set()

    @asynccontextmanager
    async def serving(self, *, drain_timeout: float = DRAIN_SECONDS) -> AsyncIterator[None]:
        """Serve while the block runs: connected at its start, drained at its end."""
        async with self._working(drain_timeout) as worker:
            await worker.connected.wait()
            yield

    async def _serve_until_signalled(self, drain_timeout: float) -> None:
        def on_signal() -> None:
            if self._stop is None or self._stop.is_set():
                os._exit(1)  # functions that do not stop must not keep it
            self._stop.set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal)
        await self.serve(drain_timeout=drain_timeout)

    @asynccontextmanager
    async def _working(self, drain_timeout: float) -> AsyncIterator[Worker]:
        if self._calls is not None:
            raise RuntimeError(f"Agent '{self.node_id}' is being served already.")
        async with (
            _exporting(self.node_id),
            Connection(self._server, api_key=self._api_key) as connection,
        ):
            worker = Worker(
                connection,
                registration=self._registration(),
                functions=self._functions,
                sessions=self._sessions,
                max_executions=self._max_executions,
                max_sessions=self._max_sessions,
            )
            self._calls = Calls(connection)
            try:
                with _single_errors():
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(worker.run(), name="worker")
                        yield worker
                        worker.drain(drain_timeout)
            finally:
                self._calls = None

    def _registration(self) -> RegisterNodeRequest:
        return RegisterNodeRequest(
            node_id=self.node_id,
            instance_id=uuid.uuid4().hex,
            version=self._version,
            description=self._description,
            functions=[_declaration(function) for function in self._functions.values()],
            sessions=[session.declaration for session in self._sessions.values()],
        )


def _declaration(function: DeclaredFunction) -> Function:
    return Function(
        name=function.name,
        kind=FunctionKind.Value(f"FUNCTION_KIND_{function.kind.upper()}"),
        description=function.description,
        input_schema=function.input_schema,
        output_schema=function.output_schema,
        tags=function.tags,
        idempotent=function.idempotent,
    )


@asynccontextmanager
async def _exporting(service: str) -> AsyncIterator[None]:
    """Send spans while the block runs, if the environment says so."""
    stack = ExitStack()
    stack.enter_context(exporting(service, os.environ, shared=True))
    try:
        yield
    finally:
        await asyncio.to_thread(stack.close)  # the last ones may take a while


@contextmanager
def _single_errors() -> Iterator[None]:
    """Raise the one error of a group as itself: whoever serves need not know of task groups."""
    try:
        yield
    except BaseExceptionGroup as group:
        error = sole_error(group)
        raise error from error.__cause__
