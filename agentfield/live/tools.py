"""The tools of one session, as executions that run."""

from __future__ import annotations

__all__ = ["Tools"]

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import orjson

from agentfield.dispatch.background import until_stored
from agentfield.executions.model import Execution, Status
from agentfield.live.orders import Order, Then
from agentfield.live.whole import Whole
from agentfield.sessions import ports
from agentfield.sessions.effects import RunTool
from agentfield.sessions.model import Tool, ToolCall
from agentfield.sessions.toolbook import ToolOutcome
from agentfield.sessions.tools import find_tool
from agentfield.v1 import errors

CUT = "the user spoke"
"""Why a call is cancelled."""
FIND_SECONDS = 2.0
"""How long a client's call may wait for the provider to report it."""


class Tools:
    """Runs what the model calls, and what the client invokes."""

    def __init__(self, session: Whole) -> None:
        self._session = session
        self._executions: dict[str, str] = {}
        """Executions by call ids."""
        self._cut: set[str] = set()
        """Calls that were cancelled before they were executions."""
        self._invoked: set[str] = set()
        """Executions that the client has asked for."""
        self._unfinished: set[str] = set()
        """Those of them whose end is not in the replayed log."""
        self._changed = asyncio.Event()

    def replay(self, type_: str, data: Mapping[str, Any]) -> None:
        """Take in an event of the log: what the client has asked for is not logged again."""
        if data.get("call_id", "") is not None:
            return
        if type_ == "tool.started":
            self._invoked.add(data["execution_id"])
            self._unfinished.add(data["execution_id"])
        elif type_ == "tool.finished":
            self._unfinished.discard(data["execution_id"])

    def resume(self, calls: Iterable[ToolCall]) -> Sequence[Order]:
        """Go on where the replayed log ends; ``calls`` are the model's."""
        self._executions.update((c.call_id, c.execution_id) for c in calls if c.execution_id)
        return [Then(run=partial(self._take_up, each)) for each in sorted(self._unfinished)]

    def run(self, order: RunTool) -> None:
        """Run a tool that the model called."""
        self._session.errands.run(self._run(order), "tool")

    def cancel(self, call_id: str) -> None:
        """Cancel a tool that the model called."""
        execution_id = self._executions.get(call_id)
        if execution_id is None:
            self._cut.add(call_id)
        else:
            cancelling = self._session.shared.runs.cancel(execution_id, CUT)
            self._session.errands.run(cancelling, "cancel-tool")

    def wake(self) -> None:
        """Let those look again who wait for a call."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def received(self, call_id: str) -> str:
        """Return the execution of a call as received from the provider, waiting a while for it.

        Raises UnknownToolCall, and for one that did not become an execution what the model was
        told: ToolNotAllowed, InvalidInput.
        """
        try:
            async with asyncio.timeout(FIND_SECONDS):
                while call_id not in self._executions:
                    call = self._session.conversation.book.find(call_id)
                    if call is not None and call.output is not None:
                        raise _what_was_told(call, call.output)
                    await self._changed.wait()
        except TimeoutError:
            pass
        if call_id not in self._executions:
            raise errors.UnknownToolCall(
                f"The provider has reported no tool call '{call_id}' in this session.",
                metadata={"call_id": call_id},
            )
        return self._executions[call_id]

    async def invoke(
        self, tool: Tool, input_: bytes, *, timeout: float, request_id: str
    ) -> Execution:
        """Run a tool for the client; its result does not go to the model."""
        session = self._session
        execution = await session.shared.runs.submit(
            session.value,
            target=tool.target,
            input_=input_,
            timeout=timeout or self._timeout(tool),
            # Callers of one key may be many pages, each with a session of its own.
            request_id=request_id and f"{session.value.session_id}:{request_id}",
            rpc="InvokeTool",
        )
        if execution.execution_id in self._invoked:
            return execution
        self._invoked.add(execution.execution_id)
        facts = {"execution_id": execution.execution_id, "target": tool.target, "call_id": None}
        called = {"call_id": None, "name": tool.name, "target": tool.target, "source": "client"}
        arguments = {"arguments": input_.decode()}
        await session.perform(
            lambda _: [
                ports.Append(type="tool.called", data={**called, **arguments}),
                ports.Append(type="tool.started", data=facts),
            ]
        )
        session.errands.run(self._finish(execution), "client-tool")
        return execution

    def allowed(self, tool: str, target: str) -> Tool:
        """Return the tool a client means. Raises ToolNotAllowed or InvalidArgument."""
        tools = self._session.value.tools
        named = find_tool(tools, tool)
        if not target:
            if named is None:
                raise _not_allowed(tool, self._session.value.target)
            return named
        meant = next((each for each in tools if each.target == target), None)
        if meant is None:
            raise _not_allowed(target, self._session.value.target)
        if named is not None and named != meant:
            raise errors.InvalidArgument(
                f"The tool '{tool}' is declared as '{named.target}', and the target says "
                f"'{target}': leave one of them out.",
                metadata={"field": "target"},
            )
        return meant

    def refused(self, name: str, error: errors.AgentFieldError) -> Sequence[Order]:
        """Log a call of the client that may not run."""
        data: Mapping[str, str | None] = {
            "call_id": None,
            "name": name,
            "source": "client",
            "reason": error.reason,
            "message": error.message,
        }
        return [ports.Append(type="tool.refused", data=data)]

    # --- inside ---

    def _timeout(self, tool: Tool) -> float:
        declaration = self._session.value.declaration
        return declaration.tool_option(tool.entry).timeout or declaration.limits.tool_timeout

    async def _run(self, order: RunTool) -> None:
        session = self._session
        try:
            outcome = await self._outcome(order)
        except errors.ServerDraining:
            return
        except errors.AgentFieldError as error:
            # It did not even become an execution.
            outcome = ToolOutcome(
                execution_id="",
                target=order.target,
                status=Status.FAILED,
                error_reason=error.reason,
                message=error.message,
            )
        await session.post(
            lambda now: session.conversation.tool_finished(order.call_id, outcome, now)
        )

    async def _outcome(self, order: RunTool) -> ToolOutcome:
        session, runs = self._session, self._session.shared.runs
        submit = partial(
            runs.submit,
            session.value,
            target=order.target,
            input_=order.input,
            timeout=order.timeout,
            request_id=f"{session.provider_call_id}:{order.call_id}"[-128:],
        )
        # Whether it was stored may not be known: told that it failed, the model might call it twice.
        execution = await until_stored(submit)
        self._executions[order.call_id] = execution.execution_id
        self.wake()
        execution_id = execution.execution_id
        await session.post(
            lambda now: session.conversation.tool_started(order.call_id, execution_id, now)
        )
        if order.call_id in self._cut:
            await runs.cancel(execution_id, CUT)
        return await runs.outcome(execution)

    def _take_up(self, execution_id: str) -> None:
        self._session.errands.run(self._follow(execution_id), "client-tool")

    async def _follow(self, execution_id: str) -> None:
        runs = self._session.shared.runs
        await self._finish(await until_stored(partial(runs.get, execution_id)))

    async def _finish(self, execution: Execution) -> None:
        try:
            outcome = await self._session.shared.runs.outcome(execution)
        except errors.ServerDraining:
            return
        data = {
            "call_id": None,
            "execution_id": outcome.execution_id,
            "target": outcome.target,
            "status": outcome.status,
            "duration_ms": outcome.duration_ms,
            "error_reason": outcome.error_reason,
        }
        await self._session.post(lambda _: [ports.Append(type="tool.finished", data=data)])


def _what_was_told(call: ToolCall, output: str) -> errors.AgentFieldError:
    told = orjson.loads(output)["error"]
    kind = errors.BY_REASON.get(told["reason"], errors.ExecutionFailed)
    return kind(told["message"], metadata={"call_id": call.call_id, "tool": call.name})


def _not_allowed(name: str, target: str) -> errors.ToolNotAllowed:
    return errors.ToolNotAllowed(
        f"'{name}' is not one of the tools of session {target}; nothing was run. List it in "
        "tools=[...] of the session's declaration to allow it.",
        metadata={"tool": name},
    )
