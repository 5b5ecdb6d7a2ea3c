"""The surroundings of a conversation: a clock that is moved by hand, and all it has ordered."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any, TypeVar

import orjson

from agentfield.sessions import effects as e
from agentfield.sessions import provider as p
from agentfield.sessions.conversation import Conversation
from agentfield.sessions.declaration import Declaration
from agentfield.sessions.leading import Leader
from agentfield.sessions.model import Event, Session, Tool
from agentfield.sessions.toolbook import ToolOutcome
from agentfield.v1 import errors

CAPABILITIES = p.Capabilities(
    default_model="model-1", default_voice="voice-1", default_transcription_model="ears-1"
)
LOOK = Tool(
    entry="look",
    name="look",
    target="shop.look",
    description="Looks.",
    input_schema=b'{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}',
)
TALK = Tool(entry="talk", name="talk", target="shop.talk")
DECLARATION = Declaration(
    name="voice",
    provider="openai",
    transport="webrtc",
    instructions="Be kind.",
    tools=("look", "talk"),
)
SESSION = Session(
    session_id="sess_1",
    node_id="shop",
    declaration=DECLARATION,
    run_id="run_1",
    root_execution_id="exec_1",
    created_at=0,
    connect_by=60_000_000,
    instructions="Be kind.",
    tools=(LOOK, TALK),
)
CommandT = TypeVar("CommandT", bound=p.Command)
EffectT = TypeVar("EffectT", bound=e.Effect)


def json_copy(data: Mapping[str, Any]) -> Any:
    """Return data as a log gives it back."""
    return orjson.loads(orjson.dumps(data))


class Stage:
    """Plays provider, handler and clock to one conversation; time passes only when told to."""

    def __init__(
        self, leader: Leader = Leader.HANDLER, *, live: bool = True, **declared: Any
    ) -> None:
        self.now = 1000.0
        self.effects: list[e.Effect] = []
        self.leader, self.declared = leader, declared
        self.data_channel = False
        self._numbers: defaultdict[str, count[int]] = defaultdict(lambda: count(1))
        has_handler = leader in {Leader.HANDLER, Leader.MODEL}
        facts = {"has_handler": has_handler, **declared}
        self.conversation = Conversation(
            replace(SESSION, declaration=replace(DECLARATION, **facts)),
            leader=leader,
            capabilities=CAPABILITIES,
            new_id=lambda prefix: f"{prefix}_{next(self._numbers[prefix])}",
        )
        if live:
            self.link()
            self.tell(p.Configured(matches=True))

    # --- when nobody listens ---

    def replay(self, type_: str, **data: Any) -> None:
        self.conversation.replay(Event(type=type_, data=data), self.now)

    def resume(self) -> None:
        self._take(self.conversation.resume([], self.now))

    def after_restart(self, *, leader: Leader | None = None, later: float = 1.0) -> Stage:
        """Return what goes on with the log, and the tool calls that are stored, of this one."""
        after = Stage(leader or self.leader, live=False, **self.declared)
        after._numbers = self._numbers
        after.now = self.now + later
        connecting = {
            "provider_call_id": "call_1",
            "generation": 1,
            "data_channel": self.data_channel,
        }
        after.conversation.replay(Event(type="session.connecting", data=connecting), self.now)
        for number, log in enumerate(self.all(e.Log), start=1):
            stored = Event(type=log.type, data=json_copy(log.data), sequence=number)
            after.conversation.replay(stored, self.now)
        calls = {save.call.call_id: save.call for save in self.all(e.Save)}
        after._take(after.conversation.resume(list(calls.values()), after.now))
        return after

    def lose_link(self) -> None:
        self._take(self.conversation.unlinked())

    def relink(self, *, last: str | None = None, answers: bool = True) -> None:
        """Attach again, with all that is asked then answered: ``last`` is the last item."""
        gap = {"from": "then", "to": "now"}
        self._take(self.conversation.relinked(gap, self.now))
        self.tell(p.Configured(matches=True))
        if answers:
            self.answer_probe(last)

    def answer_probe(self, last: str | None = None) -> None:
        """Have the item of ours put in, after the last one."""
        probe = self.sent(p.Probe)[-1]
        added = p.ItemAdded(
            item_id=probe.item_id, previous_item_id=last, type="message", role="system"
        )
        self.tell(added)

    def looked_up(self) -> list[str]:
        return [command.item_id for command in self.sent(p.RetrieveItem)]

    # --- what happens ---

    def link(self, provider_call_id: str = "call_1", *, data_channel: bool = False) -> None:
        self.data_channel = data_channel
        self._take(self.conversation.linked(provider_call_id, data_channel=data_channel))

    def tell(self, *events: p.ProviderEvent) -> None:
        for event in events:
            self._take(self.conversation.heard_from(event, self.now))

    def wait(self, seconds: float) -> None:
        """Let time pass; the conversation gets the ticks it has asked for."""
        until = self.now + seconds
        while self.conversation.deadline <= until:
            due = self.conversation.deadline
            self.now = max(self.now, due)
            self._take(self.conversation.tick(self.now))
            assert self.conversation.deadline > due, "it asks for the same tick for ever"
        self.now = until

    def say(self, text: str, command_id: str = "say", *, attempt: int = 1, **facts: Any) -> str:
        say = self.conversation.say
        self._take(say(command_id, text, self.now, attempt=attempt, metadata=facts))
        return command_id

    def respond(
        self, command_id: str = "respond", instructions: str | None = None, *, attempt: int = 1
    ) -> str:
        respond = self.conversation.respond
        self._take(respond(command_id, instructions, self.now, attempt=attempt))
        return command_id

    def interrupt(self) -> bool:
        self._take(self.conversation.interrupt("interrupt", self.now))
        result = self.effects.pop(self._index_of_answer("interrupt"))
        assert isinstance(result, e.Resolve)
        assert isinstance(result.result, bool)
        return result.result

    def update(
        self,
        command_id: str = "update",
        *,
        instructions: str | None = None,
        tools: Sequence[Tool] | None = None,
    ) -> str:
        self._take(self.conversation.update(command_id, instructions, tools, self.now))
        return command_id

    def lead(self, leader: Leader) -> None:
        self._take(self.conversation.lead(leader, self.now))

    def supersede(self, attempt: int) -> None:
        self._take(self.conversation.supersede(attempt, self.now))

    def close(self) -> None:
        self._take(self.conversation.close(errors.SessionEnded("It is over."), self.now))

    # --- what often happens ---

    def user_says(self, text: str | None = "Hello.", item: str = "user-1") -> None:
        """Have a turn committed, and transcribed unless there is no text."""
        self.tell(p.TurnCommitted(item_id=item))
        if text is not None:
            self.tell(p.Heard(item_id=item, text=text))

    def begin(self, response: str = "resp-1") -> str:
        """Have the latest request for speech begun; return the response."""
        self.tell(p.SpeechBegun(response_id=response, command_id=self.asked().command_id))
        return response

    def speak(self, text: str, response: str = "resp-1", item: str = "", *, ms: int = 1000) -> None:
        """Have what was begun said, and played to its end."""
        self.tell(
            p.PlaybackStarted(response_id=response),
            p.AgentSaid(response_id=response, item_id=item or f"{response}-item", text=text),
            p.SpeechDone(response_id=response, has_audio=True),
        )
        self.wait(ms / 1000)
        self.tell(p.PlaybackStopped(response_id=response))

    def call(
        self,
        call_id: str = "call-1",
        name: str = "look",
        arguments: str = '{"n": 1}',
        response: str = "resp-1",
    ) -> None:
        """Have the model call a tool."""
        self.tell(
            p.ToolCalled(
                response_id=response,
                item_id=f"{call_id}-item",
                call_id=call_id,
                name=name,
                arguments=arguments,
            )
        )

    def done(self, response: str = "resp-1", **facts: Any) -> None:
        self.tell(p.SpeechDone(response_id=response, **facts))

    def finish(self, call_id: str = "call-1", result: bytes | None = b'"fine"') -> None:
        """Have the execution of a tool end."""
        outcome = ToolOutcome(
            execution_id=f"exec-{call_id}",
            target="shop.look",
            status="failed" if result is None else "succeeded",
            result=result,
            error_reason="EXECUTION_FAILED" if result is None else "",
            message="It broke." if result is None else "",
        )
        self._take(self.conversation.tool_finished(call_id, outcome, self.now))

    def start_tool(self, call_id: str = "call-1") -> None:
        self._take(self.conversation.tool_started(call_id, f"exec-{call_id}", self.now))

    # --- what was ordered ---

    def all(self, kind: type[EffectT]) -> list[EffectT]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def logged(self, type_: str) -> list[Mapping[str, Any]]:
        return [log.data for log in self.all(e.Log) if log.type == type_]

    def one(self, type_: str) -> Mapping[str, Any]:
        (data,) = self.logged(type_)
        return data

    def log(self, *types: str) -> list[str]:
        """Return which of these types were logged, in order."""
        return [log.type for log in self.all(e.Log) if log.type in types]

    def sent(self, kind: type[CommandT]) -> list[CommandT]:
        commands = [send.command for send in self.all(e.Send)]
        return [command for command in commands if isinstance(command, kind)]

    def asked(self) -> p.CreateSpeech:
        """Return the latest request for speech."""
        return self.sent(p.CreateSpeech)[-1]

    def asks(self) -> int:
        return len(self.sent(p.CreateSpeech))

    def resolutions(self, command_id: str) -> list[object]:
        return [each.result for each in self.all(e.Resolve) if each.command_id == command_id]

    def resolved(self, command_id: str) -> object:
        """Return the one answer to a command; None as long as there is none."""
        results = self.resolutions(command_id)
        assert len(results) <= 1, "it was answered twice"
        return results[0] if results else None

    def spoken(self, command_id: str = "say") -> e.Spoken:
        result = self.resolved(command_id)
        assert isinstance(result, e.Spoken)
        return result

    def outputs(self) -> list[str]:
        return [command.output for command in self.sent(p.SendToolOutput)]

    def end_reasons(self) -> list[str]:
        return [end.reason.value for end in self.all(e.End)]

    def is_quiet(self) -> bool:
        """Return whether nothing is waited for any more."""
        return self.conversation.deadline == math.inf

    def _index_of_answer(self, command_id: str) -> int:
        (index,) = [
            index
            for index, effect in enumerate(self.effects)
            if isinstance(effect, e.Resolve) and effect.command_id == command_id
        ]
        return index

    def _take(self, effects: list[e.Effect]) -> None:
        self.effects += effects
