"""Other orders keep causes before what they cause."""

from __future__ import annotations

import random
from typing import Any

import pytest
from unit.simulator.stage import Stage, kinds

from agentfield.simulator import Call, Reply, Script
from agentfield.simulator.orders import shuffled

pytestmark = pytest.mark.unit


def source(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - orders, not secrets


def moment() -> list[dict[str, Any]]:
    reply = Reply(says="One two.", word_ms=0, calls=[Call(name="a"), Call(name="b")])
    stage = Stage(Script(replies=[reply]))
    return stage.send("response.create")


@pytest.mark.parametrize("seed", range(50))
def test_an_order_has_the_same_events_and_keeps_causes_first(seed: int) -> None:
    events = moment()
    order = shuffled(events, source(seed))
    assert sorted(e["event_id"] for e in order) == sorted(e["event_id"] for e in events)
    assert order[0]["type"] == "response.created"
    place = {event["event_id"]: number for number, event in enumerate(order)}
    done = next(e for e in order if e["type"] == "response.done")
    for event in order:
        if event["type"] in {"response.output_item.done", "conversation.item.done"}:
            assert place[event["event_id"]] < place[done["event_id"]]
    deltas = [e["delta"] for e in order if e["type"] == "response.output_audio_transcript.delta"]
    assert "".join(deltas) == "One two."
    for item_id in {e["item"]["id"] for e in order if "item" in e}:
        about = [e for e in order if item_id in {e.get("item_id"), e.get("item", {}).get("id")}]
        begins = {"response.output_item.added", "conversation.item.added"}
        ends = {"response.output_item.done", "conversation.item.done"}
        assert {e["type"] for e in about[:2]} == begins
        assert {e["type"] for e in about[-2:]} == ends


def test_orders_differ() -> None:
    events = moment()
    orders = {tuple(kinds(shuffled(events, source(seed)))) for seed in range(50)}
    assert len(orders) > 25


def test_an_interruption_comes_in_every_order_after_the_speech() -> None:
    first_effects = set()
    for seed in range(30):
        stage = Stage(Script(replies=[Reply(says="One two three four.", word_ms=400)]))
        stage.send("response.create")
        stage.wait(1300)
        order = shuffled(stage.interrupt(), source(seed))
        assert order[0]["type"] == "input_audio_buffer.speech_started"
        interesting = {"output_audio_buffer.cleared", "conversation.item.truncated"}
        interesting.add("response.done")
        first_effects.add(next(e["type"] for e in order if e["type"] in interesting))
    assert first_effects >= {"output_audio_buffer.cleared", "conversation.item.truncated"}
