"""What ``af session`` does with sessions as a whole."""

from __future__ import annotations

__all__ = [
    "delete",
    "draw_workflows",
    "end",
    "list_sessions",
    "list_workflows",
    "show",
    "start",
    "starting",
]

import sys
from collections.abc import Mapping

from agentfield.contract.json import set_text
from agentfield.v1 import session_service_pb2 as pb
from agentfield_cli.execution import tree_of, workflow_of
from agentfield_cli.formats import Format
from agentfield_cli.link import Link, all_pages, ask
from agentfield_cli.output import details, emit, table
from agentfield_cli.payload import FACTS, read_input
from agentfield_cli.session_text import end_of, text_of
from agentfield_sdk.connection import Connection

_PAGE_SIZE = 100
_LISTED = ["session_id", "target", "state", "end_reason", "created_at"]
_WORKFLOWS = ["run_id", "target", "status", "total_executions", "duration_ms"]


def starting(fields: Mapping[str, str], metadata: str | None) -> pb.StartSessionRequest:
    """Return the request to start a session. Raises InvalidArgument for an option that is malformed.

    It may read stdin, so it is no coroutine: Ctrl-C stops it at once.
    """
    request = pb.StartSessionRequest()
    for name, text in fields.items():
        set_text(request, name, text)
    if metadata is not None:
        request.metadata = read_input(metadata, "--metadata", FACTS)
    return request


async def start(link: Link, output: Format | None, request: pb.StartSessionRequest) -> None:
    """Start a session and write what its client needs to know."""
    async with link.open() as connection:
        started = await ask(connection, connection.sessions.StartSession, request)
    emit(started, output, lambda: details(started))


async def list_sessions(
    link: Link, output: Format | None, conditions: Mapping[str, str], limit: int
) -> None:
    """Write the newest sessions that meet all conditions that are not empty."""
    request = pb.ListSessionsRequest()
    for name, text in conditions.items():
        if text:
            set_text(request, name, text)
    async with link.open() as connection:
        found = await all_pages(
            lambda request: ask(connection, connection.sessions.ListSessions, request),
            request,
            "sessions",
            limit=limit,
            page_size=_PAGE_SIZE,
        )
    emit(found, output, lambda: table(_LISTED, found.sessions))
    if found.next_page_token:
        print(f"note: only the newest {limit}; --limit shows more", file=sys.stderr)


async def show(link: Link, output: Format | None, session_id: str) -> None:
    """Write one session with its turns and provider calls."""
    async with link.open() as connection:
        request = pb.GetSessionRequest(session_id=session_id)
        found = await ask(connection, connection.sessions.GetSession, request)
    emit(found.session, output, lambda: text_of(found.session))


async def end(link: Link, output: Format | None, session_id: str, detail: str) -> None:
    """End a session and write it."""
    async with link.open() as connection:
        request = pb.EndSessionRequest(session_id=session_id, detail=detail)
        ended = await ask(connection, connection.sessions.EndSession, request)
    emit(ended.session, output, lambda: end_of(ended.session))


async def delete(link: Link, output: Format | None, session_id: str) -> None:
    """Delete an ended session and write what stays of it."""
    async with link.open() as connection:
        request = pb.DeleteSessionRequest(session_id=session_id)
        deleted = await ask(connection, connection.sessions.DeleteSession, request)
    emit(deleted.session, output, lambda: text_of(deleted.session))


async def list_workflows(link: Link, output: Format | None, session_id: str) -> None:
    """Write the workflows of a session."""
    async with link.open() as connection:
        found = await _workflows(connection, session_id)
    emit(found, output, lambda: table(_WORKFLOWS, found.workflows))


async def draw_workflows(link: Link, output: Format | None, session_id: str) -> None:
    """Write each workflow of a session: drawn as a tree, or as ``output`` says."""
    async with link.open() as connection:
        found = await _workflows(connection, session_id)
        drawn = [await workflow_of(connection, each.run_id) for each in found.workflows]
    for workflow in drawn:
        if output not in {None, Format.TEXT}:
            emit(workflow, output)
            continue
        for line in tree_of(workflow):
            print(line)


async def _workflows(connection: Connection, session_id: str) -> pb.ListSessionWorkflowsResponse:
    return await all_pages(
        lambda request: ask(connection, connection.sessions.ListSessionWorkflows, request),
        pb.ListSessionWorkflowsRequest(session_id=session_id),
        "workflows",
        page_size=_PAGE_SIZE,
    )
