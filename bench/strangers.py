"""The local mind on questions and tools of strangers: ``python bench/strangers.py FOLDER``.

FOLDER is ``berkeley-function-call-leaderboard/bfcl_eval/data`` of github.com/ShishirPatil/gorilla, which
is not part of this repository.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agentfield.simulator.mind import LocalMind
from agentfield.simulator.mind.choosing import choose
from agentfield.simulator.mind.filling import is_text
from agentfield.simulator.mind.schemas import parameters
from agentfield.simulator.mind.words import Utterance
from agentfield.simulator.script import Call
from agentfield.simulator.senses import Thought, Tool

_TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": "string"}
"""What they call types otherwise than JSON schemas do."""


def main(folder: Path) -> None:
    """Print the rates."""
    rows = _rows(folder / "BFCL_v4_multiple.json")
    truths = {
        row["id"]: row["ground_truth"][0]
        for row in _rows(folder / "possible_answer/BFCL_v4_multiple.json")
    }
    chosen = 0
    exact: dict[str, list[bool]] = {"no text": [], "one text": [], "several texts": []}
    for row in rows:
        (name, arguments), *_ = truths[row["id"]].items()
        tool = choose(_tools(row), Utterance(text=_question(row)))
        chosen += tool is not None and tool.name == name
        asked_for = _texts(next(tool for tool in _tools(row) if tool.name == name))
        kind = list(exact)[min(asked_for, 2)]
        exact[kind].append(any(_is(call, name, arguments) for call in asyncio.run(_calls(row))))
    print(f"multiple: right tool {chosen} of {len(rows)}")
    for kind, right in exact.items():
        print(f"multiple: exact call where it requires {kind}: {sum(right)} of {len(right)}")
    others = _rows(folder / "BFCL_v4_irrelevance.json")
    refused = sum(choose(_tools(row), Utterance(text=_question(row))) is None for row in others)
    print(f"irrelevance: no tool {refused} of {len(others)}")


async def _calls(row: Mapping[str, Any]) -> Sequence[Call]:
    item = {"type": "message", "role": "user", "content": [{"text": _question(row)}]}
    thought = Thought(instructions="", tools=_tools(row), must_call=None, items=[item])
    return (await LocalMind().reply(thought)).calls


def _is(call: Call, name: str, accepted: Mapping[str, Sequence[Any]]) -> bool:
    """Say whether it is an accepted call: "" among the values means that it may be left out."""
    given = dict(call.arguments) if not isinstance(call.arguments, str) else {}
    return call.name == name and all(
        given.get(key, "") in accepted.get(key, ()) for key in {*accepted, *given}
    )


def _texts(tool: Tool) -> int:
    """Count what is required that any words, or a list of them, may be."""
    return sum(
        each.required and (is_text(each) or each.kind in {"array", "object"})
        for each in parameters(tool.parameters)
    )


def _question(row: Mapping[str, Any]) -> str:
    return str(row["question"][0][-1]["content"])


def _tools(row: Mapping[str, Any]) -> list[Tool]:
    return [
        Tool(
            name=function["name"],
            description=function["description"],
            parameters=_schema(function["parameters"]),
        )
        for function in row["function"]
    ]


def _schema(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_schema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _schema(value) for key, value in schema.items() if key != "optional"}
    if isinstance(plain.get("type"), str):
        plain["type"] = _TYPES.get(plain["type"], plain["type"])
    return plain


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
