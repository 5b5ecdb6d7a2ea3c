"""Who answers a turn of the user: its handler, the model when asked, the provider, or nobody."""

from __future__ import annotations

import pytest
from unit.sessions.stage import Stage

from agentfield.sessions import effects as e
from agentfield.sessions import provider as p
from agentfield.sessions.leading import Leader

pytestmark = pytest.mark.unit

DONE = p.SpeechDone(response_id="foreign")


@pytest.mark.parametrize("leader", [Leader.HANDLER, Leader.PROVIDER, Leader.NOBODY])
def test_nothing_of_ours_answers_a_turn_unless_the_model_leads(leader: Leader) -> None:
    stage = Stage(leader)
    stage.user_says("One.", "u1")
    stage.user_says("Two.", "u2")
    stage.wait(300)
    assert not stage.all(e.Send)


def test_when_the_model_leads_each_turn_gets_one_answer() -> None:
    stage = Stage(Leader.MODEL)
    for number in (1, 2, 3):
        stage.user_says("Hello.", f"u{number}")
        assert stage.asks() == number
        stage.begin(f"r{number}")
        stage.speak("Hi.", f"r{number}")
    stage.wait(300)
    assert stage.asks() == 3
    assert {data["kind"] for data in stage.logged("agent.asked")} == {"answer"}
    assert {command.say for command in stage.sent(p.CreateSpeech)} == {None}


def test_a_turn_is_answered_at_its_commit_before_its_words_are_known() -> None:
    stage = Stage(Leader.MODEL)
    stage.user_says(None)
    assert stage.asks() == 1


@pytest.mark.parametrize("turns", [1, 3])
def test_a_handler_that_returns_leaves_one_answer_to_the_model(turns: int) -> None:
    stage = Stage(Leader.HANDLER)
    for number in range(turns):
        stage.user_says("Hello?", f"u{number}")
    stage.lead(Leader.MODEL)
    assert stage.asks() == 1
    stage.begin()
    stage.speak("Hi.")
    assert stage.asks() == 1


def test_a_handler_that_returns_leaves_nothing_to_a_model_that_never_answers() -> None:
    stage = Stage(Leader.HANDLER)
    stage.user_says()
    stage.lead(Leader.NOBODY)
    assert stage.asks() == 0


def test_what_the_handler_has_stopped_is_no_answer() -> None:
    stage = Stage(Leader.HANDLER)
    stage.user_says()
    stage.say("Hello.")
    stage.interrupt()
    stage.lead(Leader.MODEL)
    stage.begin()
    stage.done(status="cancelled", reason="client_cancelled")
    assert [data["kind"] for data in stage.logged("agent.asked")] == ["say", "answer"]


def test_a_handler_that_has_answered_leaves_nothing() -> None:
    stage = Stage(Leader.HANDLER)
    stage.user_says()
    stage.say("Hello.")
    stage.begin()
    stage.speak("Hello.")
    stage.lead(Leader.MODEL)
    assert stage.asks() == 1


def test_noise_needs_no_answer_of_the_model() -> None:
    stage = Stage(Leader.HANDLER)
    stage.user_says("")
    stage.lead(Leader.MODEL)
    assert stage.asks() == 0


@pytest.mark.parametrize("stage_of_say", ["queued", "asked", "begun", "playing"])
def test_what_is_still_being_said_is_the_answer(stage_of_say: str) -> None:
    stage = Stage(Leader.HANDLER, live=stage_of_say != "queued")
    stage.user_says()
    stage.say("Hello.")
    if stage_of_say in {"begun", "playing"}:
        stage.begin()
    if stage_of_say == "playing":
        stage.tell(p.PlaybackStarted(response_id="resp-1"))
        stage.done(has_audio=True)
    stage.lead(Leader.MODEL)
    asked = [data["kind"] for data in stage.logged("agent.asked")]
    assert asked == ([] if stage_of_say == "queued" else ["say"])


def test_a_turn_after_what_is_being_said_is_answered_by_the_model() -> None:
    stage = Stage(Leader.HANDLER)
    stage.say("A long story.")
    stage.begin()
    stage.user_says()
    stage.lead(Leader.MODEL)
    assert stage.asks() == 1
    stage.speak("A long story.")
    assert [data["kind"] for data in stage.logged("agent.asked")] == ["say", "answer"]


def test_what_waits_while_turns_are_committed_is_answered_once() -> None:
    stage = Stage(Leader.MODEL)
    stage.user_says(item="u1")
    stage.begin()
    stage.user_says(item="u2")
    stage.user_says(item="u3")
    assert stage.asks() == 1
    stage.speak("Hi.")
    assert stage.asks() == 2
    stage.begin("resp-2")
    stage.speak("Hi again.", "resp-2")
    assert stage.asks() == 2


def test_turns_before_live_are_answered_once_when_it_is_live() -> None:
    stage = Stage(Leader.HANDLER, live=False)
    stage.link()
    stage.user_says()
    stage.lead(Leader.MODEL)
    assert stage.asks() == 0
    stage.tell(p.Configured(matches=True))
    assert stage.asks() == 1


def test_what_nobody_of_ours_asked_for_is_cancelled_while_the_handler_leads() -> None:
    stage = Stage(Leader.HANDLER)
    stage.tell(p.SpeechBegun(response_id="foreign"), p.SpeechBegun(response_id="foreign"))
    assert stage.sent(p.CancelSpeech) == [p.CancelSpeech(response_id="foreign")]
    expected = {"what": "response", "detail": "foreign", "count": 1}
    assert stage.one("client.tampering") == expected


def test_a_command_of_ours_that_somebody_repeats_is_not_ours() -> None:
    stage = Stage(Leader.HANDLER)
    stage.say("Hello.")
    stage.begin()
    mine = stage.asked().command_id
    stage.tell(p.SpeechBegun(response_id="foreign", command_id=mine))
    assert stage.sent(p.CancelSpeech) == [p.CancelSpeech(response_id="foreign")]
    assert stage.one("client.tampering")["what"] == "response"


def test_what_is_begun_long_after_it_was_asked_for_is_stopped_and_not_held_against_anybody() -> (
    None
):
    stage = Stage(Leader.HANDLER)
    stage.say("Hello.")
    mine = stage.asked().command_id
    stage.wait(60)
    assert stage.spoken("say").outcome == "unknown"
    stage.tell(p.SpeechBegun(response_id="late", command_id=mine))
    assert stage.sent(p.CancelSpeech) == [p.CancelSpeech(response_id="late")]
    assert not stage.logged("client.tampering")


def test_whoever_types_may_ask_for_the_answer_once_and_the_handler_gives_it() -> None:
    stage = Stage(Leader.HANDLER)
    typed = p.ItemAdded(
        item_id="t", previous_item_id=None, type="message", role="user", text="Hi.", whole=True
    )
    stage.tell(typed, p.SpeechBegun(response_id="asked"))
    assert stage.sent(p.CancelSpeech) == [p.CancelSpeech(response_id="asked")]
    assert not stage.logged("client.tampering")
    stage.tell(p.SpeechBegun(response_id="again"))
    assert stage.one("client.tampering")["detail"] == "again"


@pytest.mark.parametrize("leader", [Leader.MODEL, Leader.PROVIDER, Leader.NOBODY])
def test_what_nobody_of_ours_asked_for_is_left_alone_otherwise(leader: Leader) -> None:
    stage = Stage(leader)
    stage.tell(p.SpeechBegun(response_id="foreign"), DONE)
    assert not stage.all(e.Send)


def test_what_the_handler_asked_for_is_not_cancelled() -> None:
    stage = Stage(Leader.HANDLER)
    stage.say("Hello.")
    stage.begin()
    assert not stage.sent(p.CancelSpeech)


def test_a_response_that_was_cancelled_does_not_go_on_after_its_tools() -> None:
    stage = Stage(Leader.HANDLER)
    stage.tell(p.SpeechBegun(response_id="foreign"))
    stage.call(response="foreign")
    stage.tell(p.SpeechDone(response_id="foreign", status="cancelled", reason="client_cancelled"))
    assert not stage.all(e.RunTool)
    assert stage.one("tool.refused")["reason"] == "TOOL_NOT_ALLOWED"
    assert len(stage.outputs()) == 1
    assert stage.asks() == 0


def test_a_cancelled_response_answers_no_turn() -> None:
    stage = Stage(Leader.HANDLER)
    stage.user_says()
    stage.tell(p.SpeechBegun(response_id="foreign"))
    stage.lead(Leader.MODEL)
    stage.tell(p.SpeechDone(response_id="foreign", status="cancelled"))
    assert stage.asks() == 1


@pytest.mark.parametrize(
    ("leader", "declared", "expected"),
    [
        (Leader.HANDLER, None, False),
        (Leader.MODEL, None, False),
        (Leader.HANDLER, True, False),
        (Leader.HANDLER, False, False),
        (Leader.PROVIDER, True, True),
        (Leader.NOBODY, False, False),
    ],
)
def test_the_provider_never_answers_by_itself_where_a_handler_is_declared(
    leader: Leader, declared: bool | None, expected: bool
) -> None:
    given = {"type": "semantic_vad"} | ({} if declared is None else {"create_response": declared})
    detection = Stage(leader, turn_detection=given).conversation.configuration.turn_detection
    assert detection is not None
    assert detection["create_response"] is expected
    assert detection["type"] == "semantic_vad"


def test_turn_detection_that_is_not_declared_is_the_providers_own_without_a_handler() -> None:
    assert Stage(Leader.PROVIDER).conversation.configuration.turn_detection is None
    with_handler = Stage(Leader.HANDLER).conversation.configuration.turn_detection
    assert with_handler is not None
    assert with_handler["type"] == "server_vad"
    assert with_handler["create_response"] is False
