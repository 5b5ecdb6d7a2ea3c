from __future__ import annotations

from typing import Any

import pytest

from agentfield_cli.talk.dialogue import Dialogue

pytestmark = pytest.mark.unit

Told = tuple[str, dict[str, Any]]

TURN: list[Told] = [("speech.started", {}), ("speech.stopped", {}), ("turn.committed", {})]
ASKED = ("agent.asked", {"command_id": "c"})
STARTED = ("agent.started", {"command_id": "c", "response_id": "r"})
SAID = ("agent.said", {"command_id": "c", "response_id": "r"})
DONE = ("response.done", {"response_id": "r", "status": "completed"})
HEARD = ("agent.heard", {"command_id": "c", "response_id": "r"})
CALLED = ("tool.called", {"call_id": "t", "source": "model"})
OUTPUT = ("tool.output", {"call_id": "t"})


def after(*events: Told) -> Dialogue:
    dialogue = Dialogue()
    for type_, data in events:
        dialogue.add(type_, data)
    return dialogue


def test_nobody_is_waited_for_at_the_begin() -> None:
    assert after(("session.live", {})).settled


def test_a_turn_waits_for_its_answer_until_that_was_heard() -> None:
    answer = [ASKED, STARTED, SAID, DONE]

    for length in range(1, len(TURN)):
        assert not after(*TURN[:length]).settled
    for length in range(len(answer) + 1):
        assert not after(*TURN, *answer[:length]).settled
    assert after(*TURN, *answer, HEARD).settled
    assert after(*TURN, *answer, HEARD).turns == 1


def test_a_greeting_is_waited_for() -> None:
    assert not after(ASKED).settled
    assert not after(ASKED, STARTED, SAID).settled
    assert after(ASKED, STARTED, SAID, DONE, HEARD).settled


def test_an_answer_goes_on_until_its_tools_have_answered_and_the_model_has_spoken() -> None:
    calls = [*TURN, ASKED, STARTED, CALLED, DONE]
    goes_on = [
        ("agent.asked", {"command_id": "c2"}),
        ("agent.started", {"command_id": "c2", "response_id": "r2"}),
        ("agent.said", {"command_id": "c2", "response_id": "r2"}),
        ("response.done", {"response_id": "r2", "status": "completed"}),
    ]

    assert not after(*calls).settled
    for length in range(len(goes_on) + 1):
        assert not after(*calls, OUTPUT, *goes_on[:length]).settled
    heard = ("agent.heard", {"command_id": "c2", "response_id": "r2"})
    assert after(*calls, OUTPUT, *goes_on, heard).settled


def test_what_is_said_before_a_tool_answers_is_not_the_answer() -> None:
    assert not after(*TURN, ASKED, STARTED, SAID, CALLED, DONE, HEARD).settled


def test_noise_is_not_answered() -> None:
    assert not after(*TURN).settled
    assert after(*TURN, ("turn.transcribed", {"text": ""})).settled
    assert not after(*TURN, ("turn.transcribed", {"text": "Hello."})).settled


def test_an_answer_that_failed_is_not_waited_for() -> None:
    failed = ("response.done", {"response_id": "r", "status": "failed"})

    assert after(*TURN, ASKED, STARTED, failed).settled


def test_a_request_that_the_provider_refused_is_not_waited_for() -> None:
    assert after(ASKED, ("provider.error", {"command_id": "c"})).settled


def test_who_speaks_over_the_agent_is_answered_anew() -> None:
    cut = ("response.done", {"response_id": "r", "status": "cancelled"})

    dialogue = after(*TURN, ASKED, STARTED, SAID, TURN[0], cut, HEARD, *TURN[1:])

    assert not dialogue.settled
    assert dialogue.turns == 2


def test_a_tool_of_the_client_is_nothing_that_the_agent_goes_on_after() -> None:
    assert after(("tool.called", {"call_id": "t", "source": "client"})).settled


def test_the_end_and_its_reason_are_known() -> None:
    assert after(("session.ended", {"reason": "agent_lost"})).end == {"reason": "agent_lost"}
