"""What is in force at the provider: confirmed, changed, and put right after others' changes."""

from __future__ import annotations

import pytest
from unit.sessions.stage import LOOK, TALK, Stage

from agentfield.sessions import effects as e
from agentfield.sessions import provider as p
from agentfield.sessions.leading import Leader
from agentfield.v1 import errors

pytestmark = pytest.mark.unit

OURS = p.Configured(matches=True)


def other(*names: str, pending: bool = False) -> p.Configured:
    return p.Configured(matches=False, differs=names, pending=pending)


def linked() -> Stage:
    stage = Stage(live=False)
    stage.link()
    return stage


def test_the_configuration_is_the_declared_one_with_defaults() -> None:
    configuration = Stage(Leader.PROVIDER, modalities=("text",)).conversation.configuration
    assert configuration.model == "model-1"
    assert configuration.voice == "voice-1"
    assert configuration.instructions == "Be kind."
    assert configuration.modalities == ("text",)
    assert configuration.transcription == {"model": "ears-1"}
    assert [tool.name for tool in configuration.tools] == ["look", "talk"]


def test_the_configuration_is_what_was_declared() -> None:
    configuration = Stage(
        model="m", voice="v", transcription={"model": "t", "language": "de"}
    ).conversation.configuration
    assert (configuration.model, configuration.voice) == ("m", "v")
    assert configuration.transcription == {"model": "t", "language": "de"}
    assert Stage(transcription=None).conversation.configuration.transcription is None


# --- confirmed ---


def test_a_session_goes_live_once_when_its_configuration_is_confirmed() -> None:
    stage = linked()
    assert not stage.effects
    stage.tell(OURS, OURS)
    assert stage.all(e.GoLive) == [e.GoLive()]
    assert not stage.all(e.Send)


def test_the_provider_may_have_ways_of_its_own_of_what_is_not_guarded() -> None:
    stage = linked()
    stage.tell(other("voice", "transcription"))
    assert stage.all(e.GoLive)
    # From then on they are known, and nothing else is.
    stage.tell(other("transcription"), other("voice", "transcription"))
    assert not stage.logged("client.tampering")
    stage.tell(other("voice", "output_modalities"))
    assert stage.logged("client.tampering")


@pytest.mark.parametrize("name", ["instructions", "tools", "turn_detection", "tool_choice"])
def test_what_others_have_put_into_force_before_ours_does_not_confirm(name: str) -> None:
    stage = linked()
    stage.tell(other(name, "voice"))
    assert not stage.all(e.GoLive)
    assert not stage.logged("client.tampering")
    stage.tell(OURS)
    assert stage.all(e.GoLive)
    # Now it is sure that it was of somebody else.
    expected = {"what": "configuration", "detail": f"{name}, voice", "count": 1}
    assert stage.one("client.tampering") == expected
    assert not stage.sent(p.Configure)


# --- changed by others ---


def test_what_others_change_is_told_of_and_put_right() -> None:
    stage = Stage()
    stage.tell(other("instructions"))
    expected = {"what": "configuration", "detail": "instructions", "count": 1}
    assert stage.one("client.tampering") == expected
    again = p.Configure(configuration=stage.conversation.configuration)
    assert stage.sent(p.Configure) == [again]
    stage.tell(OURS)
    assert len(stage.sent(p.Configure)) == 1
    assert len(stage.all(e.GoLive)) == 1


def test_changes_while_ours_is_under_way_are_told_of_once_it_is_in_force() -> None:
    stage = Stage()
    stage.tell(other("tools"), other("instructions", pending=True), other("tools", pending=True))
    assert len(stage.logged("client.tampering")) == 1
    stage.tell(OURS)
    assert [data["detail"] for data in stage.logged("client.tampering")] == [
        "tools",
        "instructions",
        "tools",
    ]
    assert len(stage.sent(p.Configure)) == 1
    assert stage.end_reasons() == ["client_tampering"]


def test_what_others_change_is_put_right_though_an_update_of_ours_was_refused() -> None:
    stage = Stage()
    stage.update(instructions="Be brief.")
    stage.tell(p.Failed(code="invalid_value", message="No.", command_id="configure_1"))
    stage.tell(other("tools"))
    assert stage.one("client.tampering")["detail"] == "tools"
    assert len(stage.sent(p.Configure)) == 2


def test_a_voice_that_cannot_be_put_right_any_more_is_told_of_once() -> None:
    stage = Stage()
    stage.tell(other("voice"), other("voice"), other("voice"))
    assert stage.one("client.tampering")["detail"] == "voice"
    stage.tell(other("voice", "tools"))
    assert [data["count"] for data in stage.logged("client.tampering")] == [1, 2]
    assert len(stage.sent(p.Configure)) == 2


def test_the_third_change_by_others_ends_the_session() -> None:
    stage = Stage()
    for _ in range(3):
        assert not stage.end_reasons()
        stage.tell(other("tools"), OURS)
    assert stage.end_reasons() == ["client_tampering"]


def test_changes_and_forgeries_count_together() -> None:
    stage = Stage()
    forged = p.ItemAdded(item_id="x", previous_item_id=None, type="function_call_output")
    stage.tell(other("tools"), OURS, forged, forged)
    assert [data["count"] for data in stage.logged("client.tampering")] == [1, 2, 3]
    assert stage.end_reasons() == ["client_tampering"]


# --- changed by the handler ---


def test_a_change_is_sent_and_answered_when_it_is_in_force() -> None:
    stage = Stage()
    stage.update(instructions="Be brief.", tools=[TALK])
    assert stage.one("configuration.changed") == {
        "instructions": "Be brief.",
        "tool_targets": {"talk": "shop.talk"},
        "request": "update",
    }
    (command,) = stage.sent(p.Configure)
    assert command.configuration == stage.conversation.configuration
    assert command.configuration.instructions == "Be brief."
    assert [tool.name for tool in command.configuration.tools] == ["talk"]
    assert stage.resolved("update") is None
    stage.tell(OURS)
    assert stage.resolved("update") == e.Updated(tool_targets={"talk": "shop.talk"})
    assert stage.is_quiet()


def test_what_is_not_given_stays() -> None:
    stage = Stage()
    stage.update(instructions="Be brief.")
    assert stage.conversation.tools == (LOOK, TALK)
    stage.update("next", tools=[])
    assert stage.conversation.configuration.instructions == "Be brief."
    assert not stage.conversation.tools
    stage.update("last", instructions="")
    assert stage.conversation.configuration.instructions == ""


def test_a_change_is_confirmed_though_the_provider_has_ways_of_its_own() -> None:
    stage = linked()
    stage.tell(other("voice"))
    stage.update(instructions="Be brief.")
    stage.tell(other("voice"))
    assert stage.resolved("update")


def test_the_ways_of_the_provider_are_learnt_once() -> None:
    stage = linked()
    stage.tell(other("voice", "transcription"))
    stage.update(instructions="Be brief.")
    stage.tell(other("voice"), other("voice", "transcription"))
    assert not stage.logged("client.tampering")


def test_what_others_have_put_into_force_does_not_confirm_a_change() -> None:
    stage = Stage()
    stage.update(instructions="Be brief.")
    stage.tell(other("instructions"))
    assert stage.resolved("update") is None
    stage.tell(OURS)
    assert stage.resolved("update")


def test_one_confirmation_may_stand_for_several_changes() -> None:
    # A link tells nothing between updates that are under way.
    stage = linked()
    stage.update("first", instructions="One.")
    stage.update("second", instructions="Two.")
    stage.tell(OURS)
    assert stage.resolved("first")
    assert stage.resolved("second")
    stage.tell(other("instructions"))
    assert stage.one("client.tampering")["count"] == 1


def test_without_a_link_a_change_is_in_force_at_once_and_sent_with_the_next() -> None:
    stage = Stage(live=False)
    stage.update(instructions="Be brief.")
    assert stage.resolved("update") == e.Updated(
        tool_targets={"look": "shop.look", "talk": "shop.talk"}
    )
    assert not stage.all(e.Send)
    # The link may have been made with the configuration of before.
    stage.link()
    assert [c.configuration.instructions for c in stage.sent(p.Configure)] == ["Be brief."]
    stage.tell(OURS)
    stage.link()
    assert len(stage.sent(p.Configure)) == 1


def test_a_change_that_is_not_confirmed_fails_and_does_not_hang() -> None:
    stage = Stage()
    stage.update(instructions="Be brief.")
    stage.wait(14.9)
    assert stage.resolved("update") is None
    stage.wait(0.1)
    assert isinstance(stage.resolved("update"), errors.ProviderFailed)
    stage.tell(OURS)
    assert stage.is_quiet()


def test_another_link_is_confirmed_anew() -> None:
    stage = Stage()
    stage.link("call_2")
    stage.say("One.")
    assert stage.asks() == 0
    stage.tell(other("instructions"))
    assert stage.asks() == 0
    stage.tell(other("voice"))
    assert len(stage.all(e.GoLive)) == 2
    assert stage.asks() == 1
