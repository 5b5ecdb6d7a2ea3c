"""The tool calls of one provider call: each is answered once, and the model goes on after them."""

from __future__ import annotations

__all__ = ["ToolBook", "ToolOutcome"]

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from agentfield.sessions.arguments import Refusal, parse_arguments
from agentfield.sessions.declaration import Declaration
from agentfield.sessions.effects import CancelTool, Outbox, RunTool, Save, Send
from agentfield.sessions.model import Tool, ToolCall
from agentfield.sessions.provider import SendToolOutput, ToolCalled
from agentfield.sessions.tools import (
    called_tool,
    error_output,
    output_item_id,
    result_output,
)
from agentfield.v1 import errors


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutcome:
    """How the execution of a tool went."""

    execution_id: str
    target: str
    status: str
    duration_ms: int = 0
    result: bytes | None = None
    """None: it did not succeed."""
    error_reason: str = ""
    message: str = ""


class ToolBook:
    """Takes the model's calls in, has them run, and gives it their outputs."""

    def __init__(
        self,
        outbox: Outbox,
        *,
        session_id: str,
        declaration: Declaration,
        tools: Callable[[], Sequence[Tool]],
        new_id: Callable[[str], str],
    ) -> None:
        self._out = outbox
        self._session_id = session_id
        self._declaration = declaration
        self._tools = tools
        self._new_id = new_id
        self._provider_call_id = ""
        self._secret = ""
        """What the ids of this provider call's outputs are derived from."""
        self._calls: dict[str, ToolCall] = {}
        self._running: dict[str, Tool] = {}
        self._cancelled: set[str] = set()
        self._item_ids: dict[str, str] = {}
        """Call ids by the items of their outputs."""
        self._deleted = 0

    def begin(self, provider_call_id: str) -> None:
        """Begin anew with another provider call."""
        self._provider_call_id = provider_call_id
        self._secret = self._new_id("secret")
        self._calls.clear()
        self._running.clear()
        self._cancelled.clear()
        self._item_ids.clear()

    def restore(
        self, provider_call_id: str, calls: Iterable[ToolCall], targets: Mapping[str, str]
    ) -> None:
        """Go on with a provider call: what has no output is run, again or at last.

        To run a call again is to join its execution. ``targets`` are by call ids.
        """
        self.begin(provider_call_id)
        for call in calls:
            self._calls[call.call_id] = call
            if call.output is not None:
                self._item_ids[call.output_item_id] = call.call_id
                continue
            target = targets.get(call.call_id) or call.name
            tool = Tool(entry=call.name, name=call.name, target=target)
            known = next((each for each in self._tools() if each.target == target), tool)
            self._start(call, known, call.arguments.encode() or b"{}")

    def undelivered(self) -> list[str]:
        """Return the items of the outputs that the provider has not confirmed."""
        calls = [self._calls[call_id] for call_id in self._item_ids.values()]
        return [call.output_item_id for call in calls if not call.delivered]

    def resend(self, item_id: str) -> None:
        """Send an output again that is not in the conversation."""
        call = self._calls.get(self._item_ids.get(item_id, ""))
        if call is not None and call.output is not None and not call.delivered:
            self._send(call.call_id, item_id, call.output)

    def find(self, call_id: str) -> ToolCall | None:
        """Return a call as it was received, if it was."""
        return self._calls.get(call_id)

    def answered(self, call_ids: set[str]) -> bool:
        """Return whether each of these calls has been given its output."""
        return all(self._calls[call_id].output is not None for call_id in call_ids)

    def called(self, event: ToolCalled) -> bool:
        """Take in a call of the model: it runs, or is refused; return whether it is new."""
        call = self._taken_in(event)
        if call is None:
            return False
        try:
            tool = called_tool(self._tools(), event.name)
            arguments = parse_arguments(tool, event.arguments)
        except Refusal as refusal:
            self._refuse(call, event, refusal)
        else:
            self._run(call, event, tool, arguments)
        return True

    def refused(self, event: ToolCalled, message: str) -> bool:
        """Take in a call that may not run, whatever it is; return whether it is new."""
        call = self._taken_in(event)
        if call is not None:
            self._refuse(call, event, Refusal(errors.ToolNotAllowed.reason, message))
        return call is not None

    def started(self, call_id: str, execution_id: str) -> None:
        """Note that a call has become an execution."""
        call = self._calls.get(call_id)
        if call is not None and call.execution_id != execution_id:
            self._calls[call_id] = replace(call, execution_id=execution_id)
            self._out.put(Save(call=self._calls[call_id]))
            target = self._running[call_id].target if call_id in self._running else ""
            self._out.log("tool.started", call_id=call_id, execution_id=execution_id, target=target)

    def finished(self, call_id: str, outcome: ToolOutcome) -> None:
        """Note how the execution of a call went: the model gets its output."""
        self._running.pop(call_id, None)
        self._out.log(
            "tool.finished",
            call_id=call_id,
            execution_id=outcome.execution_id,
            target=outcome.target,
            status=outcome.status,
            duration_ms=outcome.duration_ms,
            error_reason=outcome.error_reason,
        )
        if outcome.result is not None:
            self._give(call_id, result_output(outcome.result))
        else:
            self._give(call_id, error_output(outcome.error_reason, outcome.message))

    def interrupted(self) -> None:
        """Cancel what is declared to be cancelled by the user's speech."""
        for call_id, tool in self._running.items():
            option = self._declaration.tool_option(tool.entry)
            if option.cancel_on_interrupt and call_id not in self._cancelled:
                self._cancelled.add(call_id)
                self._out.put(CancelTool(call_id=call_id))

    def owns(self, item_id: str) -> bool:
        """Return whether an item is one of our outputs."""
        return item_id in self._item_ids

    def delivered(self, item_id: str) -> bool:
        """Note an output in the conversation; return whether it is one of ours."""
        call_id = self._item_ids.get(item_id)
        if call_id is None:
            return False
        call = self._calls[call_id]
        if not call.delivered:
            self._calls[call_id] = replace(call, delivered=True)
            self._out.log("tool.delivered", call_id=call_id, item_id=item_id)
            self._out.put(Save(call=self._calls[call_id]))
        return True

    def deleted(self, item_id: str) -> bool:
        """Note an item that was taken out; return whether it is one of our outputs.

        Then it is sent again, as another item: whoever saw the first may put one of its id in.
        """
        call_id = self._item_ids.pop(item_id, "")
        call = self._calls.get(call_id)
        if call is None or call.output is None:
            return False
        self._deleted += 1
        other = output_item_id(self._secret, f"{call_id} {self._deleted}")
        self._calls[call_id] = replace(call, output_item_id=other, delivered=False)
        self._item_ids[other] = call_id
        self._out.put(Save(call=self._calls[call_id]))
        self._send(call_id, other, call.output)
        return True

    def _taken_in(self, event: ToolCalled) -> ToolCall | None:
        """Return a call, or None for one that is known."""
        if event.call_id in self._calls:
            return None
        call = ToolCall(
            provider_call_id=self._provider_call_id,
            call_id=event.call_id,
            session_id=self._session_id,
            name=event.name,
            arguments=event.arguments,
        )
        self._calls[event.call_id] = call
        return call

    def _refuse(self, call: ToolCall, event: ToolCalled, refusal: Refusal) -> None:
        self._out.log(
            "tool.refused",
            call_id=call.call_id,
            item_id=event.item_id,
            response_id=event.response_id,
            name=call.name,
            source="model",
            reason=refusal.reason,
            message=refusal.message,
        )
        self._out.put(Save(call=call))
        self._give(call.call_id, error_output(refusal.reason, refusal.message))

    def _run(self, call: ToolCall, event: ToolCalled, tool: Tool, arguments: bytes) -> None:
        self._out.log(
            "tool.called",
            call_id=call.call_id,
            item_id=event.item_id,
            response_id=event.response_id,
            name=call.name,
            target=tool.target,
            arguments=call.arguments,
            source="model",
        )
        self._out.put(Save(call=call))
        self._start(call, tool, arguments)

    def _start(self, call: ToolCall, tool: Tool, arguments: bytes) -> None:
        self._running[call.call_id] = tool
        option = self._declaration.tool_option(tool.entry)
        self._out.put(
            RunTool(
                call_id=call.call_id,
                target=tool.target,
                input=arguments,
                timeout=option.timeout or self._declaration.limits.tool_timeout,
            )
        )

    def _give(self, call_id: str, output: str) -> None:
        """Give the model the one output of a call; a second one is not sent."""
        call = self._calls.get(call_id)
        if call is None or call.output is not None:
            return
        item_id = output_item_id(self._secret, call_id)
        self._calls[call_id] = replace(call, output=output, output_item_id=item_id)
        self._item_ids[item_id] = call_id
        self._out.log("tool.output", call_id=call_id, item_id=item_id, output=output)
        self._out.put(Save(call=self._calls[call_id]))
        self._send(call_id, item_id, output)

    def _send(self, call_id: str, item_id: str, output: str) -> None:
        self._out.put(Send(command=SendToolOutput(item_id=item_id, call_id=call_id, output=output)))
