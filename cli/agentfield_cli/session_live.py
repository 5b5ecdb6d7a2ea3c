"""What ``af session`` does inside a session: its offer, its tools, its events."""

from __future__ import annotations

__all__ = ["call", "calling", "offer", "offering", "watch"]

import sys
from collections.abc import Mapping

from agentfield.contract.json import set_text
from agentfield.v1 import execution_pb2, execution_service_pb2
from agentfield.v1 import session_service_pb2 as pb
from agentfield_cli.execution import failure
from agentfield_cli.formats import Format, TextFormat
from agentfield_cli.link import Link, ask, follow
from agentfield_cli.output import details, emit, for_people
from agentfield_cli.payload import read_input, read_text
from agentfield_cli.session_text import event_line


def offering(fields: Mapping[str, str], sdp: str) -> pb.RealtimeOfferRequest:
    """Return the request that makes an offer. Raises InvalidArgument if it is not UTF-8.

    It may read stdin, so it is no coroutine: Ctrl-C stops it at once.
    """
    request = pb.RealtimeOfferRequest()
    for name, text in fields.items():
        set_text(request, name, text)
    request.offer_sdp = read_text(sdp, "--sdp")
    return request


async def offer(link: Link, output: TextFormat, request: pb.RealtimeOfferRequest) -> None:
    """Make an offer and write the answer: byte for byte, or as ``output`` says."""
    async with link.open() as connection:
        # The server knows how long the provider may take: no deadline of our own.
        answer = await ask(connection, connection.sessions.RealtimeOffer, request, timeout=None)
    if output is not TextFormat.RAW:
        emit(answer, Format(output))
        return
    sys.stdout.buffer.write(answer.answer_sdp.encode())
    sys.stdout.flush()


def calling(fields: Mapping[str, str], source: str | None) -> pb.InvokeToolRequest:
    """Return the request that calls a tool. Raises InvalidArgument for input that is malformed.

    It may read stdin, so it is no coroutine: Ctrl-C stops it at once.
    """
    request = pb.InvokeToolRequest()
    for name, text in fields.items():
        set_text(request, name, text)
    if source is not None:
        request.input = read_input(source)
    return request


async def call(
    link: Link, output: Format | None, request: pb.InvokeToolRequest, *, wait: bool
) -> None:
    """Call a tool and write the answer, or wait, write its execution and raise why it failed."""
    execution = execution_pb2.Execution()
    async with link.open() as connection:
        called = await ask(connection, connection.sessions.InvokeTool, request)
        if not wait:
            emit(called, output, lambda: details(called))
            return
        watched = execution_service_pb2.WatchExecutionRequest(execution_id=called.execution_id)
        async for change in follow(connection, connection.executions.WatchExecution, watched):
            execution = change.execution
    emit(execution, output, lambda: details(execution))
    if execution.status != execution_pb2.EXECUTION_STATUS_SUCCEEDED:
        raise failure(execution)


async def watch(link: Link, output: Format | None, session_id: str, after: int) -> None:
    """Write the events of a session until it ends."""
    request = pb.WatchSessionRequest(session_id=session_id)
    set_text(request, "after_sequence", str(after))
    async with link.open() as connection:
        async for response in follow(connection, connection.sessions.WatchSession, request):
            event = response.event
            request.after_sequence = event.sequence or request.after_sequence
            if not for_people(output):
                emit(event, output)
            elif not event.type.endswith(".delta"):
                # Pieces of what is said are for programs; people get it when it is whole.
                print(event_line(event), flush=True)
