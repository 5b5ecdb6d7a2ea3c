"""What callers and workers can do with executions."""

from __future__ import annotations

__all__ = ["Engine", "Topic", "announce"]

from collections.abc import AsyncIterator, Iterable, Sequence

from agentfield.config import Limits
from agentfield.executions import observing
from agentfield.executions.model import Execution, Failure, Report, Status, reported
from agentfield.executions.ports import Added, Filter, Hints, Nodes, Page, Store, scope_of
from agentfield.executions.reports import checked_report
from agentfield.executions.submission import Submission
from agentfield.identity import Caller
from agentfield.v1 import errors

MAX_TOLD_DETAILS = 4096
"""Bytes of a failure's details that travel with the error itself: trailers are short."""
MAX_BATCH = 500

PARENT_SECONDS = 2.0
"""How long a call waits for word of the execution that makes it."""


class Topic:
    """What hints are about; the key is an execution's or a node's id."""

    EXECUTION = "execution"
    """It changed."""
    QUEUE = "queue"
    """The node may have work to hand out."""
    STOPPED = "stopped"
    """It was cancelled or timed out: its worker is to stop."""
    DONE = "done"
    """Its worker reported the end."""
    HANDLER_LOST = "handler-lost"
    """Its worker left for good; the key is a session's id and an attempt."""
    HANDLER_OVER = "handler-over"
    """An attempt has ended, and its worker has room again; the key as before."""
    UNOWNED = "unowned"
    """A session may have no owner."""
    FOLLOWED = "followed"
    """Others follow a session than before; the key is its id."""
    LOGGED = "logged"
    """The log of a session has grown, which somebody follows from another replica."""
    PASSING = "passing"
    """Something happened in a session that is in no log, and somebody watches at another replica; the
    key is what, as JSON."""
    ASKED = "asked"
    """Another replica is to do something in a session; the key is its id."""
    ANSWERED = "answered"
    """A command was done; the key is its id."""
    DRAIN = "drain"
    """The server is going down; the key is empty."""


class Engine:
    """Executions, from submission to result."""

    def __init__(self, *, store: Store, nodes: Nodes, hints: Hints, limits: Limits) -> None:
        self._store = store
        self._nodes = nodes
        self._hints = hints
        self.limits = limits
        self._draining = False

    def drain(self) -> None:
        """Take no more work, and send those who wait to another server or to this one's next start."""
        self._draining = True
        self._hints.publish(Topic.DRAIN, "")

    async def submit(self, submission: Submission) -> Execution:
        """Store an execution and let it be dispatched; a repeat returns the first one."""
        self._refuse_while_draining()
        # Hinted at once: the store writes in the order it is asked, so the claim that follows finds
        # the execution and need not wait for its commit to be reported here first.
        self._hints.publish(Topic.QUEUE, submission.node_id)
        added = await self._add(submission)
        if added.parent_node_id:
            # The parent waits from now on, and its slot is lent to nested work of its node.
            self._hints.publish(Topic.QUEUE, added.parent_node_id)
        return added.execution

    async def _add(self, submission: Submission) -> Added:
        """Store it; if its parent is a call inside an agent, word of that may be on its way."""
        claims = submission.claims
        subject = (Topic.EXECUTION, claims.parent_execution_id)
        with self._hints.listen(subject) as listener:
            try:
                return await self._store.add(submission, self.limits)
            except errors.ExecutionNotFound:
                if not (claims.run_id and claims.parent_execution_id == claims.execution_id):
                    raise
            await listener.wait(PARENT_SECONDS)
            return await self._store.add(submission, self.limits)

    async def outcome(self, execution_id: str) -> Execution:
        """Wait for the end of an execution and return it, or raise what became of it."""
        async for execution in self._follow(execution_id, Topic.DONE, Topic.STOPPED):
            if execution.status is Status.SUCCEEDED:
                return execution
            if not execution.is_active:
                raise failure_of(execution)
        raise errors.Internal("unreachable")

    async def get(self, execution_id: str, caller: Caller) -> Execution:
        """Return one execution with payloads."""
        return _visible(await self._store.get(execution_id), execution_id, caller)

    async def batch(self, execution_ids: Sequence[str], caller: Caller) -> list[Execution]:
        """Return those of the executions that the caller may see, with payloads."""
        if len(execution_ids) > MAX_BATCH:
            raise errors.InvalidArgument(
                f"batch status supports at most {MAX_BATCH} execution IDs, got {len(execution_ids)}",
                metadata={"field": "execution_ids"},
            )
        unique = list(dict.fromkeys(execution_ids))
        heads = [h for h in await self._store.heads(unique) if _sees(caller, h.execution)]
        size, limit = sum(h.payload_bytes for h in heads), 2 * self.limits.max_payload_bytes
        if size > limit:
            raise errors.PayloadTooLarge(
                f"These executions carry {size} bytes, and {limit} are sent at once; "
                "ask for fewer.",
                metadata={"limit": str(limit)},
            )
        return await self._store.get_many([h.execution.execution_id for h in heads])

    async def page(
        self, where: Filter, caller: Caller, *, before_seq: int | None, limit: int
    ) -> Page:
        """Return a page of executions without payloads, the newest first."""
        scope = scope_of(caller, [] if caller.is_admin else await self._nodes.ids())
        return await self._store.page(where, scope, before_seq=before_seq, limit=limit)

    async def cancel(self, execution_id: str, reason: str, caller: Caller) -> tuple[Execution, int]:
        """Cancel an execution and its unfinished descendants; return it and how many changed."""
        if len(reason) > 1000:
            raise errors.InvalidArgument(
                "A reason has at most 1000 characters.", metadata={"field": "reason"}
            )
        await self.head(execution_id, caller)
        changed = await self._store.cancel_tree(execution_id, reason)
        announce(self._hints, changed)
        return await self.head(execution_id, caller), len(changed)

    async def watch(self, execution_id: str, caller: Caller) -> AsyncIterator[Execution]:
        """Yield the execution now and after changes, until it has ended."""
        await self.head(execution_id, caller)
        async for execution in self._follow(execution_id, Topic.EXECUTION):
            yield execution

    async def report(self, execution_id: str, report: Report, caller: Caller) -> Execution:
        """Store what a worker says of an execution; return it without payloads."""
        report = checked_report(report, self.limits)

        def apply(execution: Execution, owner: str, now: int) -> Execution:
            if not caller.may_act_for(execution.node_id, owner):
                raise errors.PermissionDenied(
                    f"This key did not register node '{execution.node_id}' and cannot report "
                    "for it.",
                    metadata={"node_id": execution.node_id},
                )
            return reported(execution, report, now=now)

        changed = await self._store.change(execution_id, apply)
        if changed is None:
            raise _not_found(execution_id)
        before, after = changed
        if after is not before:
            self._hints.publish(Topic.EXECUTION, execution_id)
        if before.is_active and not after.is_active:
            observing.ended(after)
            self._hints.publish(Topic.DONE, execution_id)
            if after.status is Status.CANCELLED:
                announce(self._hints, await self._store.cancel_tree(execution_id, ""))
        return after

    async def head(self, execution_id: str, caller: Caller) -> Execution:
        """Return one execution without payloads. Raises ExecutionNotFound."""
        heads = await self._store.heads([execution_id])
        return _visible(heads[0].execution if heads else None, execution_id, caller)

    def _refuse_while_draining(self, waits_for: str = "") -> None:
        if self._draining and waits_for:
            raise errors.ServerDraining(
                f"This server is going down; {waits_for} goes on. Ask for it, or repeat the "
                "request with the same request_id.",
                metadata={"execution_id": waits_for},
                retry_after=0.5,
            )
        if self._draining:
            raise errors.ServerDraining(
                "This server is going down and took nothing on; ask again.", retry_after=0.5
            )

    async def _follow(self, execution_id: str, *topics: str) -> AsyncIterator[Execution]:
        last: Execution | None = None
        subjects = [(topic, execution_id) for topic in topics]
        with self._hints.listen(*subjects, (Topic.DRAIN, "")) as listener:
            while True:
                self._refuse_while_draining(execution_id)
                execution = await self._store.get(execution_id)
                if execution is None:
                    raise _not_found(execution_id)
                if execution != last:
                    yield execution
                if not execution.is_active:
                    return
                last = execution
                await listener.wait(self._hints.trusted_seconds)


def announce(hints: Hints, changed: Iterable[Execution]) -> None:
    """Tell everybody of executions that were ended, lost or queued again."""
    for execution in changed:
        hints.publish(Topic.EXECUTION, execution.execution_id)
        if not execution.is_active:
            observing.ended(execution)
            hints.publish(Topic.STOPPED, execution.execution_id)
        elif execution.worker_id is None:
            hints.publish(Topic.QUEUE, execution.node_id)


def failure_of(execution: Execution) -> errors.AgentFieldError:
    """Return the error that an execution which did not succeed stands for."""
    failure = execution.failure or Failure(
        reason=errors.ExecutionFailed.reason, message=f"{execution.target} failed."
    )
    kind = errors.BY_REASON.get(failure.reason, errors.ExecutionFailed)
    metadata = {
        "execution_id": execution.execution_id,
        "run_id": execution.run_id,
        "target": execution.target,
        "status": execution.status,
        **_told(failure),
    }
    if failure.status_code:
        metadata["error_status_code"] = str(failure.status_code)
    return kind(failure.message, metadata=metadata)


def _told(failure: Failure) -> dict[str, str]:
    """Return what the function said of its failure, unless it is long: GetExecution has it all."""
    details = failure.details or b""
    return {"error_details": details.decode()} if 0 < len(details) <= MAX_TOLD_DETAILS else {}


def _sees(caller: Caller, execution: Execution) -> bool:
    return caller.may_see(
        owners=execution.owners, node_id=execution.node_id, session_id=execution.session_id
    )


def _visible(execution: Execution | None, execution_id: str, caller: Caller) -> Execution:
    if execution is None or not _sees(caller, execution):
        raise _not_found(execution_id)
    return execution


def _not_found(execution_id: str) -> errors.ExecutionNotFound:
    return errors.ExecutionNotFound(
        f"execution not found: there is no '{execution_id}'.",
        metadata={"execution_id": execution_id},
    )
