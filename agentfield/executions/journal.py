"""What agents tell of executions: calls inside their own process, notes and logs. Pure."""

from __future__ import annotations

__all__ = ["Journal", "JournalStore", "LogEntry", "Note", "Record"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from agentfield.config import Limits
from agentfield.contract.jsonslice import MalformedJson, check_json, items
from agentfield.executions import observing
from agentfield.executions.engine import Engine, Topic
from agentfield.executions.model import Execution, Kind, Report, Status, reported
from agentfield.executions.ports import Hints
from agentfield.executions.reports import checked_report
from agentfield.executions.submission import ID, checked_input, usable_parent
from agentfield.identity import Caller
from agentfield.v1 import errors

MAX_NOTE = 32 * 1024
MAX_TAGS = 50
MAX_TAG = 128
MAX_ENTRY = 256 * 1024
MAX_ENTRIES = 1000
"""Of one request."""
KEPT_ENTRIES = 10_000
"""Of one execution: so many notes, and so many log entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What an agent says of a call that it made or makes by itself."""

    execution_id: str
    node_id: str
    function: str
    parent_execution_id: str
    report: Report
    input: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A note on an execution."""

    number: int
    message: str
    tags: tuple[str, ...]
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """Something that was logged during an execution."""

    number: int
    entry: bytes
    """A JSON object."""
    at: int


Begin = Callable[[Execution | None, Kind, str, int], Execution]


class Apply(Protocol):
    """Changes an execution that is there already."""

    def __call__(
        self, execution: Execution, owner: str, now: int, *, awaited: bool
    ) -> Execution: ...


class JournalStore(Protocol):
    """Where the journal is kept. A write that returned is on disk."""

    async def record(
        self, record: Record, begin: Begin, apply: Apply
    ) -> tuple[Execution | None, Execution]:
        """Change an execution, or add it; return it before, if it was there, and after.

        ``begin`` gets the parent, if it exists, and the kind of the function; ``apply`` gets the
        execution, and whether its sender waits for its answer; both get the owner of its node and the store's time, and may raise.
        """

    async def owner_of(self, node_id: str) -> str | None:
        """Return who registered a node."""

    async def add_note(
        self, execution_id: str, message: str, tags: Sequence[str], *, keep: int
    ) -> Note:
        """Append a note, and drop the oldest but for ``keep``."""

    async def add_logs(self, execution_id: str, entries: Sequence[bytes], *, keep: int) -> None:
        """Append entries, and drop the oldest but for ``keep``."""

    async def notes(self, execution_id: str, *, after: int, limit: int) -> list[Note]: ...

    async def logs(self, execution_id: str, *, after: int, limit: int) -> list[LogEntry]: ...


class Journal:
    """What agents can tell of executions, and what callers can read of it."""

    def __init__(
        self,
        *,
        store: JournalStore,
        engine: Engine,
        hints: Hints,
        limits: Limits,
    ) -> None:
        self._store = store
        self._engine = engine
        self._hints = hints
        self._limits = limits

    async def record(self, record: Record, caller: Caller) -> Execution:
        """Keep what an agent says of a call inside its process; return the execution."""
        record = self._checked(record)

        def begin(parent: Execution | None, kind: Kind, owner: str, now: int) -> Execution:
            _check_agent(caller, record.node_id, owner)
            usable = usable_parent(parent, record.parent_execution_id, caller, self._limits)
            return begun(record, usable, kind, caller, now=now)

        def apply(execution: Execution, owner: str, now: int, *, awaited: bool) -> Execution:
            _check_agent(caller, execution.node_id, owner)
            return told(execution, record.report, awaited=awaited, now=now)

        before, after = await self._store.record(record, begin, apply)
        if after is not before:
            self._hints.publish(Topic.EXECUTION, after.execution_id)
            if not after.is_active:
                observing.ended(after)
                self._hints.publish(Topic.DONE, after.execution_id)
        return after

    async def add_note(
        self, execution_id: str, message: str, tags: Sequence[str], caller: Caller
    ) -> Note:
        """Keep a note on an execution of a node that the caller serves."""
        if not message or len(message) > MAX_NOTE:
            raise errors.InvalidArgument(
                f"A note has 1 to {MAX_NOTE} characters, not {len(message)}.",
                metadata={"field": "message"},
            )
        if len(tags) > MAX_TAGS or any(len(tag) > MAX_TAG for tag in tags):
            raise errors.InvalidArgument(
                f"A note has at most {MAX_TAGS} tags of at most {MAX_TAG} characters.",
                metadata={"field": "tags"},
            )
        await self._check_served(execution_id, caller)
        return await self._store.add_note(execution_id, message, tags, keep=KEPT_ENTRIES)

    async def add_logs(self, execution_id: str, entries: bytes, caller: Caller) -> int:
        """Keep log entries, a JSON list of objects; return how many."""
        parts = _checked_entries(entries)
        await self._check_served(execution_id, caller)
        await self._store.add_logs(execution_id, parts, keep=KEPT_ENTRIES)
        return len(parts)

    async def notes(
        self, execution_id: str, caller: Caller, *, after: int, limit: int
    ) -> list[Note]:
        """Return the notes on an execution from after a number on."""
        await self._engine.head(execution_id, caller)
        return await self._store.notes(execution_id, after=after, limit=limit)

    async def logs(
        self, execution_id: str, caller: Caller, *, after: int, limit: int
    ) -> list[LogEntry]:
        """Return what was logged during an execution from after a number on."""
        await self._engine.head(execution_id, caller)
        return await self._store.logs(execution_id, after=after, limit=limit)

    async def _check_served(self, execution_id: str, caller: Caller) -> None:
        execution = await self._engine.head(execution_id, caller)
        owner = await self._store.owner_of(execution.node_id) or ""
        _check_agent(caller, execution.node_id, owner)

    def _checked(self, record: Record) -> Record:
        for name in ("execution_id", "function"):
            if not ID.fullmatch(getattr(record, name)):
                raise errors.InvalidArgument(
                    f"The {name} must be 1 to 128 characters of A-Z a-z 0-9 _ . : @ / + = and -.",
                    metadata={"field": name},
                )
        report = checked_report(record.report, self._limits)
        return replace(record, report=report, input=checked_input(record.input, self._limits))


def begun(record: Record, parent: Execution, kind: Kind, caller: Caller, *, now: int) -> Execution:
    """Return the execution that an agent's own call is.

    It is given up with the worker that makes it, and ends with the time of its parent at the latest.
    Raises InvalidArgument for a parent that runs elsewhere.
    """
    if parent.node_id != record.node_id or parent.worker_id is None:
        raise errors.InvalidArgument(
            f"The parent '{parent.execution_id}' does not run on node '{record.node_id}'; a call "
            "inside an agent's process begins there.",
            metadata={"field": "parent_execution_id"},
        )
    started = Execution(
        execution_id=record.execution_id,
        run_id=parent.run_id,
        parent_execution_id=parent.execution_id,
        session_id=parent.session_id,
        node_id=record.node_id,
        function=record.function,
        kind=kind,
        status=Status.RUNNING,
        attempt=1,
        depth=parent.depth + 1,
        local=True,
        created_by=caller.name,
        run_owner=parent.run_owner,
        actor_id=parent.actor_id,
        traceparent=parent.traceparent,
        worker_id=parent.worker_id,
        instance_id=parent.instance_id,
        created_at=now,
        started_at=now,
        expires_at=max(parent.expires_at, now + 1),
        input=record.input,
    )
    return reported(started, record.report, now=now)


def told(execution: Execution, report: Report, *, awaited: bool, now: int) -> Execution:
    """Return what becomes of an execution when its agent's events tell of it.

    Of a dispatched one its report counts, or its answer while somebody waits for that; ``awaited``
    is whether anybody does. An event can only stand for the answer: with the same result, or, where
    nobody waits any more, with the error.
    """
    answers = execution.sender and execution.started_at is not None
    stands = answers and (report.status is Status.SUCCEEDED or not awaited)
    if not execution.is_active or not (execution.local or stands):
        return execution
    return reported(execution, report, now=now)


def _check_agent(caller: Caller, node_id: str, owner: str) -> None:
    if not caller.may_act_for(node_id, owner):
        raise errors.PermissionDenied(
            f"This key did not register node '{node_id}' and cannot tell of its executions.",
            metadata={"node_id": node_id},
        )


def _checked_entries(entries: bytes) -> list[bytes]:
    try:
        check_json(entries)
        parts = items(entries.decode().strip()) if entries.lstrip().startswith(b"[") else [b"0"]
        for part in parts:
            check_json(part, expect_object=True)
    except MalformedJson as error:
        raise errors.InvalidArgument(
            f"The entries must be a JSON list of objects: {error}.", metadata={"field": "entries"}
        ) from None
    if len(parts) > MAX_ENTRIES or any(len(part) > MAX_ENTRY for part in parts):
        raise errors.PayloadTooLarge(
            f"At most {MAX_ENTRIES} entries of at most {MAX_ENTRY} bytes are taken at once.",
            metadata={"limit": str(MAX_ENTRY)},
        )
    return parts
