"""What executions need from the rest of the house."""

from __future__ import annotations

__all__ = [
    "Added",
    "Filter",
    "Head",
    "Hints",
    "Listener",
    "Nodes",
    "Page",
    "Scope",
    "Store",
    "Summary",
    "WorkflowStore",
    "scope_of",
]

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from agentfield.config import Limits
from agentfield.executions.model import Execution
from agentfield.executions.submission import Submission
from agentfield.identity import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which executions to list; None or empty: any."""

    run_id: str = ""
    session_id: str = ""
    node_id: str = ""
    function: str = ""
    status: str = ""
    parent_execution_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which executions a caller may see, in a form that a query can use."""

    everything: bool
    owner: str = ""
    nodes: tuple[str, ...] = ()
    """Ids of the nodes the caller serves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a long list."""

    executions: tuple[Execution, ...]
    next_seq: int | None
    """Where the next page starts; None: this was the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A run in a few numbers."""

    root: Execution
    total: int
    active: int
    failed: int
    max_depth: int
    completed_at: int | None
    """When its last execution finished; None while any is unfinished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What came of a submission."""

    execution: Execution
    created: bool
    """False: it is the earlier one of the same request_id."""
    parent_node_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """An execution without its payloads, and how large they are."""

    execution: Execution
    payload_bytes: int


class Store(Protocol):
    """Where executions are kept.

    A write that returned is on disk. Writes take effect in the order they are asked for.
    """

    async def add(self, submission: Submission, limits: Limits) -> Added:
        """Store a new execution, or find the earlier one of the same request_id."""

    async def get(self, execution_id: str) -> Execution | None:
        """Return it with payloads."""

    async def heads(self, execution_ids: Sequence[str]) -> list[Head]:
        """Return those that exist, without payloads."""

    async def get_many(self, execution_ids: Sequence[str]) -> list[Execution]:
        """Return those that exist, with payloads."""

    async def page(
        self, where: Filter, scope: Scope, *, before_seq: int | None, limit: int
    ) -> Page:
        """Return a page without payloads, the newest first."""

    async def change(
        self, execution_id: str, apply: Callable[[Execution, str, int], Execution]
    ) -> tuple[Execution, Execution] | None:
        """Change it in one transaction; return it before and after, None if it does not exist.

        ``apply`` gets the execution without payloads, the owner of its node and the store's time,
        and may raise.
        """

    async def cancel_tree(self, execution_id: str, reason: str) -> list[Execution]:
        """Cancel it and its unfinished descendants; return those that changed."""


class WorkflowStore(Protocol):
    """Runs, read as a whole."""

    async def summary(self, run_id: str) -> Summary | None: ...

    async def page(self, run_id: str, *, after_seq: int, limit: int) -> Page: ...

    async def list_runs(
        self, session_id: str, scope: Scope, *, before_seq: int | None, limit: int
    ) -> tuple[list[Summary], int | None]: ...


class Nodes(Protocol):
    """Which nodes there are."""

    async def ids(self) -> list[str]: ...


class Listener(Protocol):
    """Remembers hints until somebody waits for them."""

    async def wait(self, timeout: float | None = None) -> Iterable[tuple[str, str]]:
        """Return the hints since the last call, waiting up to ``timeout`` seconds for one."""


class Hints(Protocol):
    """Tells others that something changed. A hint may be lost; the store is the truth."""

    @property
    def trusted_seconds(self) -> float:
        """How long one may wait for a hint before one looks whether it was lost."""

    def publish(self, topic: str, key: str) -> None: ...

    def listen(self, *topics: tuple[str, str | None]) -> AbstractContextManager[Listener]:
        """Listen to keys of topics; None stands for every key."""


def scope_of(caller: Caller, node_ids: Iterable[str]) -> Scope:
    """Return what a caller may see, given the nodes that exist."""
    return Scope(
        everything=caller.is_admin,
        owner=caller.name,
        nodes=tuple(n for n in node_ids if caller.may_serve(n)),
    )
