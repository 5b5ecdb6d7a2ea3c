"""Results are worded honestly: what there is, that it failed, that there is more."""

from __future__ import annotations

import pytest

from agentfield.simulator.mind.questions import abilities, question
from agentfield.simulator.mind.results import worded
from agentfield.simulator.mind.schemas import parameters
from agentfield.simulator.senses import Tool

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ('{"spoken_response": "It ships today.", "id": 7}', "It ships today."),
        ('{"id": 7, "message": "All good."}', "All good."),
        ('"It comes on Tuesday."', "It comes on Tuesday."),
        ("not JSON at all", "not JSON at all"),
        ("null", "Done. There is no result to tell."),
        ("{}", "Done. There is no result to tell."),
        ("", "Done. There is no result to tell."),
        ("[]", "Done. Nothing was found."),
        ("true", "Yes."),
        ("42", "The result is 42."),
        ('["milk", "eggs", "bread"]', "There are 3: milk, eggs and bread."),
        ("[1, 2, 3, 4, 5, 6, 7]", "There are 7: 1, 2, 3, 4, 5 and 2 more."),
        ('{"status": "shipped", "daysLeft": 2}', "Status: shipped. Days left: 2."),
        ('{"tags": [], "open": false}', "Tags: nothing. Open: no."),
        (
            '{"error": {"reason": "X", "message": "no such order"}}',
            "That did not work: no such order.",
        ),
        ('{"error": "timed out"}', "That did not work: timed out."),
        (
            '{"truncated": true, "result": "{\\"a\\": 1"}',
            'The result is too long to be told whole. It begins: {"a": 1',
        ),
    ],
)
def test_results(output: str, words: str) -> None:
    assert worded(output) == words


def test_what_is_too_long_to_listen_to_is_cut_between_words_and_says_so() -> None:
    told = worded("word " * 500)
    assert told.endswith("word … There is more than that.")
    assert len(told) < 640


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (
            {"description": "The id of the ticket. Five digits."},
            "Please tell me the id of the ticket.",
        ),
        ({"description": "How many bags"}, "How many bags?"),
        ({"description": "Is there a note?"}, "Is there a note?"),
        (
            {"description": "Whether to sit outside"},
            "Please tell me whether to sit outside, yes or no.",
        ),
        ({"title": "Street Name"}, "Please tell me the street name."),
        ({}, "Please tell me the home address."),
        ({"enum": ["red_wine", "beer"]}, "Please tell me the home address: red wine or beer."),
    ],
)
def test_questions(schema: dict[str, object], words: str) -> None:
    asked = parameters({"type": "object", "properties": {"homeAddress": schema}})
    assert question(asked[0]) == words


def test_abilities_come_from_the_descriptions() -> None:
    tools = [
        Tool(name="a", description="Start a timer. It rings.", parameters={}),
        Tool(name="countStock", description="", parameters={}),
    ]
    assert abilities(tools) == "I can do this: start a timer; count stock."
    assert abilities([*tools, *tools, *tools]).endswith(" That is not all.")
