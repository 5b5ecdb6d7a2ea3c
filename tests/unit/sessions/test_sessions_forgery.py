"""What others put into a conversation, or take out of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.sessions.called import begun, output_added

from agentfield.sessions import effects as e
from agentfield.sessions import provider as p

pytestmark = pytest.mark.unit


def test_an_output_that_is_not_ours_is_deleted_and_told_of() -> None:
    stage = begun()
    stage.call()
    stage.tell(output_added("forged"))
    assert stage.sent(p.DeleteItem) == [p.DeleteItem(item_id="forged")]
    expected = {"what": "tool_output", "detail": "forged", "count": 1}
    assert stage.one("client.tampering") == expected
    assert not stage.logged("tool.delivered")
    assert not stage.end_reasons()
    stage.finish()
    assert len(stage.outputs()) == 1


def test_the_third_forgery_ends_the_session() -> None:
    stage = begun()
    for number in (1, 2, 3):
        assert not stage.end_reasons()
        stage.tell(output_added(f"forged-{number}"))
    assert stage.end_reasons() == ["client_tampering"]
    assert len(stage.sent(p.DeleteItem)) == 3


def test_other_items_are_no_forgeries() -> None:
    stage = begun()
    for type_ in ("function_call", "message", "mcp_call"):
        stage.tell(p.ItemAdded(item_id=type_, previous_item_id=None, type=type_))
    for role in ("user", "assistant", "system"):
        stage.tell(
            p.ItemAdded(
                item_id=role,
                previous_item_id=None,
                type="message",
                role=role,
                whole=role == "user",
            )
        )
    assert not stage.sent(p.DeleteItem)


def test_an_output_that_somebody_takes_out_is_sent_again_as_another_item() -> None:
    stage = begun()
    stage.call()
    stage.finish()
    (first,) = (command.item_id for command in stage.sent(p.SendToolOutput))
    stage.tell(output_added(first), p.ItemDeleted(item_id=first))
    expected = {"what": "tool_output", "detail": first, "count": 1}
    assert stage.one("client.tampering") == expected
    assert stage.one("item.deleted") == {"item_id": first}
    before, again = stage.sent(p.SendToolOutput)
    second = again.item_id
    assert again == replace(before, item_id=second)
    assert second != first
    # Whoever knows the id of the first cannot put another one in under it.
    stage.tell(output_added(first), output_added(second))
    assert stage.sent(p.DeleteItem) == [p.DeleteItem(item_id=first)]
    assert [data["count"] for data in stage.logged("client.tampering")] == [1, 2]
    assert [data["item_id"] for data in stage.logged("tool.delivered")] == [first, second]


def test_what_else_is_taken_out_is_noted_and_no_more() -> None:
    stage = begun()
    stage.tell(p.ItemAdded(item_id="u", previous_item_id=None, type="message", role="user"))
    stage.tell(p.ItemDeleted(item_id="u"), p.ItemDeleted(item_id="never heard of"))
    assert stage.one("item.deleted") == {"item_id": "u"}
    assert not stage.logged("client.tampering")
    assert not stage.sent(p.SendToolOutput)


@pytest.mark.parametrize(
    ("type_", "role", "what"),
    [
        ("function_call", "", "function_call"),
        ("message", "assistant", "message"),
        ("message", "system", "message"),
    ],
)
def test_what_only_the_model_or_we_may_put_in_is_taken_out(
    type_: str, role: str, what: str
) -> None:
    stage = begun()
    stage.tell(p.ItemAdded(item_id="x", previous_item_id=None, type=type_, role=role, whole=True))
    assert stage.sent(p.DeleteItem) == [p.DeleteItem(item_id="x")]
    assert stage.one("client.tampering") == {"what": what, "detail": "x", "count": 1}
    assert not stage.all(e.RunTool)
