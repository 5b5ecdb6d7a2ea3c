"""A control plane in this process that answers and says what a test tells it to."""

from __future__ import annotations

__all__ = ["FakeHandling", "FakePlane", "FakeWork", "Heard", "leave", "running", "serving"]

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import orjson
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from agentfield.contract import facts
from agentfield.contract.status import DETAILS_KEY, status_of
from agentfield.v1 import agent_service_pb2 as pb
from agentfield.v1.errors import AgentFieldError, ServerUnreachable
from agentfield.v1.session_pb2 import Session, SessionDeclaration, SessionEvent
from agentfield_sdk import Agent
from agentfield_sdk.payload import duration

Answer = Message | AgentFieldError | Callable[[Any], Awaitable[Message]] | list[Any]
PATIENCE = 10.0
_CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One call that arrived."""

    rpc: str
    request: Any
    metadata: dict[str, str | bytes]


class FakeWork:
    """The control plane's end of one Work stream."""

    def __init__(self, metadata: dict[str, str | bytes]) -> None:
        self.metadata = metadata
        self.requests: asyncio.Queue[pb.WorkRequest | None] = asyncio.Queue()
        self.responses: asyncio.Queue[pb.WorkResponse | AgentFieldError | None] = asyncio.Queue()

    async def hears(self, arm: str) -> Any:
        """Return the next message, which must be of that arm; ``end`` is the half-close."""
        async with asyncio.timeout(PATIENCE):
            message = await self.requests.get()
        said = "end" if message is None else message.WhichOneof("message")
        assert said == arm, message
        return None if message is None else getattr(message, arm)

    def welcomes(self) -> None:
        self._say(welcome=pb.Welcome())

    def executes(self, function: str, input_: bytes = b"{}", **fields: Any) -> None:
        facts = {"execution_id": "exec_1", "attempt": 1, "run_id": "run_1", **fields}
        self._say(execute=pb.Execute(function=function, input=input_, **facts))

    def cancels(self, execution_id: str = "exec_1", attempt: int = 1) -> None:
        self._say(cancel=pb.Cancel(execution_id=execution_id, attempt=attempt))

    def starts(self, attempt: int = 1, **fields: Any) -> None:
        facts = {
            "session_id": "sess_1",
            "name": "voice",
            "root_execution_id": "exec_root",
            "run_id": "run_1",
            **fields,
        }
        self._say(start_handler=pb.StartHandler(attempt=attempt, **facts))

    def drains(self) -> None:
        self._say(drain=pb.Drain())

    def ends(self) -> None:
        self.responses.put_nowait(None)

    def breaks(self, error: AgentFieldError | None = None) -> None:
        self.responses.put_nowait(error or ServerUnreachable("The connection was lost."))

    def _say(self, **message: Any) -> None:
        self.responses.put_nowait(pb.WorkResponse(**message))


class FakeHandling:
    """The control plane's end of one HandleSession stream."""

    def __init__(self, request: pb.HandleSessionRequest) -> None:
        self.request = request
        self.responses: asyncio.Queue[pb.HandleSessionResponse | AgentFieldError | None] = (
            asyncio.Queue()
        )
        self.left = asyncio.Event()
        """Nobody hears this stream any more."""

    def opens(self, *, last_sequence: int = 0, grace: float = 30.0, **fields: Any) -> None:
        facts = {
            "session_id": self.request.session_id,
            "declaration": SessionDeclaration(name="voice", model="m", modalities=["audio"]),
            "last_sequence": last_sequence,
            **fields,
        }
        opened = pb.HandlerOpened(session=Session(**facts), handler_grace=duration(grace))
        self.responses.put_nowait(pb.HandleSessionResponse(opened=opened))

    def tells(self, sequence: int, type_: str, **data: Any) -> None:
        event = SessionEvent(sequence=sequence, type=type_, data=orjson.dumps(data))
        self.responses.put_nowait(pb.HandleSessionResponse(event=event))

    def hears_user(self, sequence: int, item_id: str, text: str) -> None:
        """Tell of a turn of the user: two events, of this sequence and the next."""
        self.tells(sequence, "turn.committed", item_id=item_id, channel="audio")
        self.tells(sequence + 1, "turn.transcribed", item_id=item_id, text=text)

    def breaks(self, error: AgentFieldError | None = None) -> None:
        self.responses.put_nowait(error or ServerUnreachable("The connection was lost."))

    def ends(self) -> None:
        self.responses.put_nowait(None)


class FakePlane(grpc.GenericRpcHandler):
    """Hears every call and gives each rpc the next of its answers; the last one stays.

    An answer is a message, an error, a function of the request, or what a stream sends in turn.
    """

    def __init__(self) -> None:
        self.address = ""
        self.heard: list[Heard] = []
        self.works: asyncio.Queue[FakeWork] = asyncio.Queue()
        self.handlings: asyncio.Queue[FakeHandling] = asyncio.Queue()
        self._answers: dict[str, deque[Answer]] = {}

    def answers(self, rpc: str, *answers: Answer) -> None:
        self._answers.setdefault(rpc, deque()).extend(answers)

    def answers_only(self, rpc: str, answer: Answer) -> None:
        self._answers[rpc] = deque([answer])

    def requests(self, rpc: str) -> list[Any]:
        return [heard.request for heard in self.heard if heard.rpc == rpc]

    async def work(self) -> FakeWork:
        """Return the next Work stream that is opened."""
        async with asyncio.timeout(PATIENCE):
            return await self.works.get()

    async def handling(self) -> FakeHandling:
        """Return the next HandleSession stream that is opened."""
        async with asyncio.timeout(PATIENCE):
            return await self.handlings.get()

    async def until_heard(self, rpc: str, count: int = 1) -> list[Any]:
        """Wait until an rpc was called so many times, and return its requests."""
        async with asyncio.timeout(PATIENCE):
            while len(self.requests(rpc)) < count:
                await asyncio.sleep(0.005)
        return self.requests(rpc)

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        method = facts.methods()[details.method].descriptor
        metadata = {str(key): value for key, value in details.invocation_metadata or ()}
        reader = GetMessageClass(method.input_type).FromString

        async def unary(request: Any, context: Any) -> Any:
            self.heard.append(Heard(rpc=method.name, request=request, metadata=metadata))
            answer = self._next(method.name)
            return await _resolved(answer, request, context)

        async def stream(request: Any, context: Any) -> None:
            self.heard.append(Heard(rpc=method.name, request=request, metadata=metadata))
            answer = self._next(method.name)
            for item in answer if isinstance(answer, list) else [answer]:
                await context.write(await _resolved(item, request, context))

        async def handling(request: Any, context: Any) -> None:
            opened = FakeHandling(request)
            self.handlings.put_nowait(opened)
            await _serve_handling(opened, context)

        async def work(requests: Any, context: Any) -> None:
            await _serve_work(self._opened(metadata), requests, context)

        if method.client_streaming:
            return grpc.stream_stream_rpc_method_handler(work, reader, _write)
        if method.server_streaming:
            answer = handling if method.name == "HandleSession" else stream
            return grpc.unary_stream_rpc_method_handler(answer, reader, _write)
        return grpc.unary_unary_rpc_method_handler(unary, reader, _write)

    def _opened(self, metadata: dict[str, str | bytes]) -> FakeWork:
        work = FakeWork(metadata)
        self.works.put_nowait(work)
        return work

    def _next(self, rpc: str) -> Answer:
        answers = self._answers[rpc]
        return answers.popleft() if len(answers) > 1 else answers[0]


def _write(message: Message) -> bytes:
    return message.SerializeToString()


async def _resolved(answer: Any, request: Any, context: Any) -> Any:
    if callable(answer):
        answer = await answer(request)
    if isinstance(answer, AgentFieldError):
        await _abort(answer, context)
    return answer


async def _abort(error: AgentFieldError, context: Any) -> None:
    status = status_of(error).SerializeToString()
    trailers = ((DETAILS_KEY, status),)
    await context.abort(_CODES[error.code], error.message, trailing_metadata=trailers)


async def _serve_work(work: FakeWork, requests: Any, context: Any) -> None:
    async def read() -> None:
        async for request in requests:
            work.requests.put_nowait(request)
        work.requests.put_nowait(None)

    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(read())
        while (message := await work.responses.get()) is not None:
            if isinstance(message, AgentFieldError):
                break
            await context.write(message)
        reading.cancel()
    if isinstance(message, AgentFieldError):
        await _abort(message, context)


async def _serve_handling(handling: FakeHandling, context: Any) -> None:
    try:
        while (message := await handling.responses.get()) is not None:
            if isinstance(message, AgentFieldError):
                await _abort(message, context)
            await context.write(message)
    finally:
        handling.left.set()


@asynccontextmanager
async def serving(app: Agent, plane: FakePlane, **options: Any) -> AsyncIterator[FakeWork]:
    """Serve, take the first Hello and welcome it; the block leaves as the protocol says."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(app.serve(**options))
        work = await plane.work()
        await work.hears("hello")
        work.welcomes()
        yield work
        app.stop()


async def leave(app: Agent, work: FakeWork) -> None:
    """Stop, as the control plane sees it."""
    app.stop()
    await work.hears("drain")
    work.drains()
    await work.hears("goodbye")
    await work.hears("end")
    work.ends()


@asynccontextmanager
async def running() -> AsyncIterator[FakePlane]:
    """Run a fake control plane on a free port."""
    plane = FakePlane()
    server = grpc.aio.server(handlers=[plane])
    plane.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield plane
    finally:
        await server.stop(None)
