"""What calling workers over HTTP needs from the store, and what their answers mean. Pure."""

from __future__ import annotations

__all__ = ["Call", "CallStore", "report_of"]

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from agentfield.contract.jsonslice import MalformedJson, check_json
from agentfield.executions.model import Execution, Failure, Report, Status
from agentfield.executions.work import Running
from agentfield.v1 import errors

MAX_SHOWN = 2000
"""Characters of an agent's refusal that its message quotes."""
MAX_DETAILS = 32 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An execution that is claimed for a worker with an address."""

    execution: Execution
    base_url: str

    @property
    def running(self) -> Running:
        return Running(execution_id=self.execution.execution_id, attempt=self.execution.attempt)

    @property
    def url(self) -> str:
        """Where the worker takes it."""
        kind = "skills" if self.execution.kind == "skill" else "reasoners"
        return f"{self.base_url}/{kind}/{self.execution.function}"


class CallStore(Protocol):
    """Executions on their way over HTTP. A write that returned is on disk.

    ``sender`` is the replica that claimed a call and waits for its answer.
    """

    async def begin(self, replica_id: str) -> None:
        """Give workers time for a sign of life, if no other replica has listened for them."""

    async def called_nodes(self) -> dict[str, int]:
        """Return the nodes that have workers with addresses, and how many give signs of life."""

    async def has_work(self) -> bool:
        """Return whether a worker with an address may have something to do."""

    async def quieten(self, *, silence: float) -> None:
        """Take workers with addresses for gone that have been silent for so many seconds."""

    async def claim_calls(
        self, sender: str, node_ids: Collection[str], *, roots: bool
    ) -> list[Call]:
        """Claim queued executions of nodes for workers with addresses.

        Within what each works on at once; without ``roots`` only nested ones.
        """

    async def sent(self, running: Running, sender: str) -> bool:
        """Note that it is about to be sent; return whether it still may be."""

    async def withdraw(self, running: Running) -> list[Execution]:
        """Queue again what was not sent yet if its worker takes no work; return what changed."""

    async def answered_later(self, running: Running) -> None:
        """Note that its worker has it and will report."""

    async def unreached(self, running: Running, why: str) -> list[Execution]:
        """Fail what could not be sent; return what changed."""

    async def release(self, unsent: Sequence[Running]) -> list[Execution]:
        """Queue again what was claimed and never sent; return what changed."""

    async def gone_senders(self) -> list[str]:
        """Return the senders of unfinished calls whose lease has run out."""

    async def return_calls(self, senders: Collection[str]) -> list[Execution]:
        """Queue again what senders claimed and never sent; return what changed."""

    async def lose_calls(self, senders: Collection[str]) -> list[Execution]:
        """Lose what senders sent and wait for; return what changed."""

    async def address_of(self, execution_id: str) -> str | None:
        """Return where the worker of an execution is called; None: nowhere."""


def report_of(status: int, body: bytes) -> Report | None:
    """Return what an agent's HTTP answer says of an execution; None: it reports later."""
    if status == 202:
        return None
    if 200 <= status < 300:
        return _result(status, body)
    if status == 499:
        message = "The agent stopped it."
        failure = Failure(reason=errors.ExecutionCancelled.reason, message=message)
        return Report(attempt=0, status=Status.CANCELLED, failure=failure)
    if 300 <= status < 400:
        return _failed(
            f"The agent answered with a redirect ({status}); redirects are not followed.", body
        )
    text = body.decode(errors="replace").strip()[:MAX_SHOWN]
    reason = errors.InvalidInput.reason if status == 422 else errors.ExecutionFailed.reason
    return _failed(f"agent error ({status}): {text}", body, reason=reason, status_code=status)


def _result(status: int, body: bytes) -> Report:
    try:
        check_json(body or b"null")
    except MalformedJson as error:
        return _failed(f"The agent answered {status} with what is not JSON: {error}.", b"")
    return Report(attempt=0, status=Status.SUCCEEDED, result=body or b"null")


def _failed(
    message: str,
    body: bytes,
    *,
    reason: str = errors.ExecutionFailed.reason,
    status_code: int = 0,
) -> Report:
    failure = Failure(
        reason=reason, message=message, details=_details(body), status_code=status_code
    )
    return Report(attempt=0, status=Status.FAILED, failure=failure)


def _details(body: bytes) -> bytes | None:
    """Return a refusal's body if it is a JSON object of an acceptable size."""
    if not body or len(body) > MAX_DETAILS:
        return None
    try:
        check_json(body, expect_object=True)
    except MalformedJson:
        return None
    return body
