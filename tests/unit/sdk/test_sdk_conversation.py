from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from agentfield.v1 import errors
from agentfield.v1.agent_service_pb2 import HandlerOpened
from agentfield.v1.session_pb2 import Session, SessionEvent
from agentfield_sdk import conversation as module
from agentfield_sdk.conversation import Conversation

pytestmark = pytest.mark.unit

Event = tuple[str, dict[str, Any]]


def committed(item_id: str, previous: str | None = None) -> Event:
    return "turn.committed", {"item_id": item_id, "previous_item_id": previous}


def transcribed(item_id: str, text: str) -> Event:
    return "turn.transcribed", {"item_id": item_id, "text": text}


def heard(item_id: str, text: str) -> Event:
    return "agent.heard", {"item_id": item_id, "text": text, "full_text": text + "!"}


class Log:
    """Feeds a conversation with events that are numbered as they come."""

    def __init__(self, *history: Event) -> None:
        self.conversation = Conversation()
        self.sequence = 0
        session = Session(session_id="sess_1", last_sequence=len(history))
        self.conversation.open(HandlerOpened(session=session))
        self.tell(*history)

    def tell(self, *events: Event) -> None:
        for type_, data in events:
            self.sequence += 1
            self.conversation.hear(
                SessionEvent(sequence=self.sequence, type=type_, data=orjson.dumps(data))
            )

    async def handed(self) -> list[str]:
        """Return the texts that the handler would be given now, without more to come."""
        self.tell(("session.ended", {"reason": "api_ended"}))
        texts = []
        try:
            while True:
                texts.append((await self.conversation.next_turn()).text)
        except errors.SessionEnded:
            return texts


async def test_a_turn_is_handed_over_once_it_has_a_text() -> None:
    log = Log()
    log.tell(committed("a"))
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(log.conversation.next_turn())
        await asyncio.sleep(0)
        assert not waiting.done()
        log.tell(transcribed("a", "hello"))

    turn = waiting.result()
    assert (turn.text, turn.transcript, turn.item_id, turn.role) == ("hello", "hello", "a", "user")


@pytest.mark.parametrize("type_", ["turn.failed", "turn.timed_out"])
async def test_a_turn_without_a_transcript_is_handed_over_without_a_text(type_: str) -> None:
    log = Log()
    log.tell(committed("a"), (type_, {"item_id": "a"}))

    turn = await log.conversation.next_turn()

    assert (turn.text, turn.transcript) == ("", None)


async def test_a_late_transcript_hands_a_turn_over_no_second_time_and_is_in_the_history() -> None:
    log = Log()
    log.tell(committed("a"), ("turn.timed_out", {"item_id": "a"}))
    await log.conversation.next_turn()

    log.tell(transcribed("a", "hello"))

    assert [turn.text for turn in log.conversation.history()] == ["hello"]
    assert await log.handed() == []


async def test_a_late_transcript_reaches_a_turn_that_still_waits() -> None:
    log = Log()
    log.tell(committed("a"), ("turn.timed_out", {"item_id": "a"}))
    log.tell(committed("b"), ("turn.timed_out", {"item_id": "b"}))

    log.tell(transcribed("a", "hello"), transcribed("b", ""))

    assert await log.handed() == ["hello"], "b turned out to be noise"


async def test_noise_is_not_handed_over() -> None:
    log = Log()
    log.tell(committed("a"), transcribed("a", ""), committed("b"), transcribed("b", "hello"))

    assert await log.handed() == ["hello"]
    assert [turn.item_id for turn in log.conversation.history()] == ["b"]


async def test_what_the_agent_says_is_history_and_no_input() -> None:
    log = Log()
    log.tell(heard("x", "Hi"), committed("a", "x"), transcribed("a", "hello"))

    turn = log.conversation.history()[0]

    assert (turn.role, turn.text, turn.full_text) == ("agent", "Hi", "Hi!")
    assert await log.handed() == ["hello"]


async def test_of_what_was_said_before_only_unanswered_turns_are_handed_over() -> None:
    log = Log(
        committed("a"),
        transcribed("a", "answered"),
        heard("x", "Yes"),
        committed("b"),
        transcribed("b", "open"),
        committed("c"),
    )
    log.tell(transcribed("c", "late"))

    assert [turn.text for turn in log.conversation.history()] == ["answered", "Yes", "open", "late"]
    assert await log.handed() == ["open", "late"]


async def test_an_answered_turn_whose_text_comes_later_stays_history() -> None:
    log = Log(committed("a"), ("turn.timed_out", {"item_id": "a"}), heard("x", "Pardon?"))
    log.tell(transcribed("a", "hello"))

    assert await log.handed() == []


async def test_the_handler_begins_when_the_history_is_complete() -> None:
    conversation = Conversation()
    async with asyncio.TaskGroup() as tasks:
        begun = tasks.create_task(conversation.begin())
        conversation.open(HandlerOpened(session=Session(session_id="sess_1", last_sequence=2)))
        conversation.hear(SessionEvent(sequence=1, type="session.started", data=b"{}"))
        await asyncio.sleep(0)
        assert not begun.done()
        conversation.hear(SessionEvent(sequence=2, type="handler.started", data=b"{}"))

    assert begun.result().session_id == "sess_1"


async def test_events_that_were_seen_are_dropped() -> None:
    log = Log()
    log.tell(committed("a"), transcribed("a", "hello"))
    log.sequence = 0
    log.tell(committed("a"), transcribed("a", "something else"))

    assert log.conversation.cursor == 2
    log.sequence = 2
    assert await log.handed() == ["hello"]


async def test_events_outside_of_the_log_move_nothing() -> None:
    log = Log()
    log.conversation.hear(SessionEvent(type="turn.delta", data=b'{"item_id": "a", "delta": "h"}'))

    assert log.conversation.cursor == 0
    assert log.conversation.history() == []


async def test_the_state_follows_the_log() -> None:
    log = Log()
    states = []
    for type_ in ("session.connecting", "session.live", "session.ended"):
        log.tell((type_, {}))
        states.append(log.conversation.state)

    assert states == ["connecting", "live", "ended"]


async def test_a_handler_that_is_far_behind_loses_the_oldest_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    log = Log()
    for item_id in "abc":
        log.tell(committed(item_id), transcribed(item_id, item_id))

    assert await log.handed() == ["b", "c"]
