"""What becomes of real speech that is cut, hushed or never made."""

from __future__ import annotations

import pytest
from unit.simulator.played import Play, sound
from unit.simulator.stage import kinds, one
from unit.simulator.words import conforms

from agentfield.simulator.effects import Speak, Stop, Think

pytestmark = pytest.mark.unit


def test_who_speaks_over_the_model_cuts_it_off_where_it_was_heard() -> None:
    play = Play()
    play.answered("One. Two.")
    play.speaks(sound("One. ", 400))
    play.stage.wait(700)
    play.speaks(sound("Two.", 600))
    play.stage.wait(100)
    events = play.stage.interrupt()
    assert not play.stage.audible
    assert one(events, "conversation.item.truncated")["audio_end_ms"] == 500
    done = one(events, "response.done")["response"]
    assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert play.stage.errands[-1] == Stop(response_id=done["id"])
    assert play.speaks(sound("Three."), None) == []
    assert kinds(events).count("output_audio_buffer.cleared") == 1
    assert conforms(play.stage)


@pytest.mark.parametrize("stage", ["listens", "thinks", "speaks"])
def test_a_model_that_is_interrupted_before_it_is_heard_does_not_go_on(stage: str) -> None:
    play = Play()
    play.stage.speak()
    if stage != "listens":
        play.hears("Hello.")
    if stage == "speaks":
        play.thinks("It rains.")
    done = one(play.stage.interrupt(), "response.done")["response"]
    assert done["status"] == "cancelled"
    assert play.stage.errands[-1] == Stop(response_id=done["id"])
    late = {
        "listens": lambda: [e for e in play.hears("Hello.") if "transcription" not in e["type"]],
        "thinks": lambda: play.thinks("It rains."),
        "speaks": lambda: play.speaks(sound("It rains."), None),
    }
    assert late[stage]() == []
    assert play.stage.played == []


def test_a_cancelled_answer_is_played_as_far_as_it_was_made() -> None:
    play = Play()
    play.answered("One. Two.")
    play.speaks(sound("One. ", 400))
    done = one(play.stage.send("response.cancel"), "response.done")["response"]
    assert done["status_details"]["reason"] == "client_cancelled"
    assert play.stage.errands[-1] == Stop(response_id=done["id"])
    assert play.speaks(sound("Two.", 600)) == []
    assert kinds(play.stage.wait(410)) == ["output_audio_buffer.stopped"]


def test_what_a_client_clears_is_hushed_and_the_rest_of_it_stays_silent() -> None:
    play = Play()
    play.answered("One. Two.")
    play.speaks(sound("One. ", 400))
    play.stage.wait(100)
    events = play.stage.send("output_audio_buffer.clear")
    assert one(events, "conversation.item.truncated")["audio_end_ms"] == 100
    assert not play.stage.audible
    play.speaks(sound("Two.", 600), None)
    assert play.stage.played == [b"One. "] * 20
    assert not play.stage.audible


def test_a_mind_that_fails_fails_its_response_and_no_other() -> None:
    play = Play()
    play.stage.speak()
    play.hears("Hello.")
    done = one(play.fails(Think), "response.done")["response"]
    assert (done["status"], done["status_details"]["error"]["code"]) == ("failed", "server_error")
    play.answered()
    play.speaks(sound("It rains."), None)
    assert conforms(play.stage)


def test_a_mouth_that_fails_keeps_what_it_has_said() -> None:
    play = Play()
    play.answered("One. Two.")
    play.speaks(sound("One. ", 400))
    done = one(play.fails(Speak), "response.done")["response"]
    assert done["status"] == "failed"
    (item,) = done["output"]
    assert item["status"] == "incomplete"
    assert item["content"] == [{"type": "output_audio", "transcript": "One. "}]
    assert kinds(play.stage.wait(410)) == ["output_audio_buffer.stopped"]
    assert conforms(play.stage)
