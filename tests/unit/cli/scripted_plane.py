"""A control plane that plays a script, for commands that need one."""

from __future__ import annotations

__all__ = ["FURTHER", "MORE", "TOKEN", "Af", "Plane", "Ran"]

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from agentfield.contract import facts
from agentfield.contract.status import DETAILS_KEY, status_of
from agentfield.v1.errors import AgentFieldError

MORE, FURTHER, TOKEN = "more", "further", "aft_x"
"""Tokens of further pages, and of a session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str


Af = Callable[..., Ran]
Answer = Message | AgentFieldError | Callable[[], Message]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One call that arrived at the control plane."""

    rpc: str
    request: Any
    metadata: dict[str, str | bytes]


class Plane(grpc.GenericRpcHandler):
    """A control plane that plays a script: for each rpc the next answer.

    An answer is a message, an error, or a function that returns a message when it is time.
    """

    def __init__(self) -> None:
        self.address = ""
        self.heard: list[Heard] = []
        self._answers: dict[str, deque[Answer]] = {}

    def answers(self, rpc: str, *answers: Answer) -> None:
        self._answers.setdefault(rpc, deque()).extend(answers)

    def requests(self, rpc: str) -> list[Any]:
        return [heard.request for heard in self.heard if heard.rpc == rpc]

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        method = facts.methods()[details.method].descriptor
        rpc = method.name

        def unary(request: Message, context: grpc.ServicerContext) -> Message:
            self._hear(rpc, request, context)
            return self._answer(self._answers[rpc].popleft(), context)

        def stream(request: Message, context: grpc.ServicerContext) -> Iterator[Message]:
            self._hear(rpc, request, context)
            while self._answers[rpc]:
                yield self._answer(self._answers[rpc].popleft(), context)

        handler: Any = (
            grpc.unary_stream_rpc_method_handler
            if method.server_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        made: grpc.RpcMethodHandler[Any, Any] = handler(
            stream if method.server_streaming else unary,
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )
        return made

    def _hear(self, rpc: str, request: Message, context: grpc.ServicerContext) -> None:
        metadata = dict(context.invocation_metadata())
        self.heard.append(Heard(rpc=rpc, request=request, metadata=metadata))

    def _answer(self, answer: Answer, context: grpc.ServicerContext) -> Message:
        if isinstance(answer, AgentFieldError):
            details = status_of(answer).SerializeToString()
            context.set_trailing_metadata(((DETAILS_KEY, details),))
            code = next(code for code in grpc.StatusCode if code.value[0] == answer.code)
            context.abort(code, answer.message)
        return answer if isinstance(answer, Message) else answer()
