"""JournalService: convert, call, convert."""

from __future__ import annotations

__all__ = ["JournalService"]

from agentfield.executions.journal import Journal, LogEntry, Note
from agentfield.rpc import convert
from agentfield.rpc.call import Context, current_call
from agentfield.rpc.pages import page_size, read_seq, token
from agentfield.v1 import errors, journal_service_pb2_grpc
from agentfield.v1 import journal_service_pb2 as pb


class JournalService(journal_service_pb2_grpc.JournalServiceServicer):
    """The servicer of JournalService."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def RecordExecution(
        self, request: pb.RecordExecutionRequest, context: Context
    ) -> pb.RecordExecutionResponse:
        after = await self._journal.record(convert.record(request), current_call.get().caller)
        return pb.RecordExecutionResponse(
            execution_id=after.execution_id,
            run_id=after.run_id,
            workflow_id=after.run_id,
            status=convert.status(after.status),
        )

    async def AddNote(self, request: pb.AddNoteRequest, context: Context) -> pb.AddNoteResponse:
        call = current_call.get()
        execution_id = request.execution_id or call.claims.execution_id
        if not execution_id:
            raise errors.InvalidArgument(
                "A note needs the execution it is about: execution_id, or the metadata "
                "x-execution-id.",
                metadata={"field": "execution_id"},
            )
        note = await self._journal.add_note(
            execution_id, request.message, list(request.tags), call.caller
        )
        response = pb.AddNoteResponse()
        _note(note, response.note)
        return response

    async def ListNotes(
        self, request: pb.ListNotesRequest, context: Context
    ) -> pb.ListNotesResponse:
        limit = page_size(request.page_size, default=100, most=1000)
        notes = await self._journal.notes(
            request.execution_id,
            current_call.get().caller,
            after=read_seq(request.page_token) or 0,
            limit=limit + 1,
        )
        more = len(notes) > limit
        response = pb.ListNotesResponse(
            next_page_token=token(notes[limit - 1].number if more else None)
        )
        for note in notes[:limit]:
            _note(note, response.notes.add())
        return response

    async def AppendLogs(
        self, request: pb.AppendLogsRequest, context: Context
    ) -> pb.AppendLogsResponse:
        accepted = await self._journal.add_logs(
            request.execution_id, request.entries or b"[]", current_call.get().caller
        )
        return pb.AppendLogsResponse(accepted=accepted)

    async def ListLogs(self, request: pb.ListLogsRequest, context: Context) -> pb.ListLogsResponse:
        limit = page_size(request.page_size, default=100, most=1000)
        entries = await self._journal.logs(
            request.execution_id,
            current_call.get().caller,
            after=read_seq(request.page_token) or 0,
            limit=limit + 1,
        )
        more = len(entries) > limit
        response = pb.ListLogsResponse(
            next_page_token=token(entries[limit - 1].number if more else None)
        )
        for entry in entries[:limit]:
            _entry(entry, response.entries.add())
        return response


def _note(note: Note, into: pb.Note) -> None:
    into.number, into.message = note.number, note.message
    into.tags.extend(note.tags)
    convert.set_time(into.timestamp, note.at)


def _entry(entry: LogEntry, into: pb.LogEntry) -> None:
    into.number, into.entry = entry.number, entry.entry
    convert.set_time(into.received_at, entry.at)
