"""How often the local mind decides as a person would, on the utterances of utterances.yaml."""

from __future__ import annotations

__all__ = ["FILE", "HALVES", "HEARD", "measure"]

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from agentfield.simulator.audio import resampled
from agentfield.simulator.mind import LocalMind
from agentfield.simulator.mind.questions import question
from agentfield.simulator.mind.schemas import parameters
from agentfield.simulator.script import Reply
from agentfield.simulator.senses import Thought, Tool
from agentfield.simulator.speech import local_speech
from bench.measure import columns

TITLE = "mind: right decisions of the local mind, of all utterances"
FILE = Path(__file__).with_name("utterances.yaml")
HEARD = Path(__file__).with_name("heard.json")
"""What the local ears hear of each utterance when the local mouth says it."""
HALVES = ("tune", "held_out")
_RESULT = "null"
_SILENCE = bytes(2 * 24_000 * 300 // 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How one utterance was decided, held against what should follow from it."""

    half: str
    tools: Sequence[Tool]
    said: str
    heard: bool
    """Whether it was spoken and heard, not read."""
    expected: Mapping[str, Any]
    reply: Reply

    @property
    def kind(self) -> str:
        """What should follow: ``call``, ``asks`` or ``none``."""
        return next(kind for kind in ("call", "asks", "none") if kind in self.expected)

    @property
    def tool(self) -> bool:
        """Whether the right tool was chosen, be it called or asked for; or none was."""
        if self.kind == "none":
            return not self._about()
        name = self.expected["call"] if self.kind == "call" else self._asked[0]
        return name in self._about()

    @property
    def right(self) -> bool:
        """Whether all of it is right: tool and arguments, or tool and question, or nothing."""
        if self.kind == "call":
            expected = (self.expected["call"], self.expected["with"])
            called = [(call.name, call.arguments) for call in self.reply.calls]
            # What is heard of a name has its capitals from the recogniser.
            return _folded(called) == _folded([expected]) if self.heard else called == [expected]
        if self.kind == "asks":
            return not self.reply.calls and self._asked in self._questions()
        return self.tool

    @property
    def _asked(self) -> tuple[str, str]:
        tool, _, parameter = self.expected["asks"].rpartition(".")
        return tool, parameter

    def _about(self) -> set[str]:
        called = {call.name for call in self.reply.calls}
        return called | {tool for tool, _ in self._questions()}

    def _questions(self) -> set[tuple[str, str]]:
        """Return the tool and the parameter of everything that the reply may ask for."""
        return {
            (tool.name, parameter.path[-1])
            for tool in self.tools
            for parameter in parameters(tool.parameters)
            if self.reply.says.endswith(question(parameter))
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Right of all, for one half."""

    tool: tuple[int, int]
    """The right tool, where there is one."""
    arguments: tuple[int, int]
    """Exactly the call, where there should be one."""
    questions: tuple[int, int]
    """The right question, where there should be one."""
    refusals: tuple[int, int]
    """No call and no question, where nothing fits."""


async def measure() -> str:
    """Return the table."""
    rows = [("half", "tool", "exact call", "question", "nothing fits")]
    for heard in (False, True):
        verdicts = await _verdicts(heard=heard)
        for half in HALVES:
            rates = rates_of([each for each in verdicts if each.half == half])
            rows.append(
                (
                    f"{half}, heard" if heard else half,
                    _share(*rates.tool),
                    _share(*rates.arguments),
                    _share(*rates.questions),
                    _share(*rates.refusals),
                )
            )
    return "\n".join([TITLE, *columns(rows)])


async def _verdicts(*, heard: bool = False) -> list[Verdict]:
    ears: Mapping[str, str] = json.loads(HEARD.read_text()) if heard else {}
    return [verdict async for verdict in judged(ears)]


def rates_of(verdicts: Sequence[Verdict]) -> Rates:
    """Count."""

    def share(kinds: set[str], attribute: str) -> tuple[int, int]:
        of = [getattr(each, attribute) for each in verdicts if each.kind in kinds]
        return sum(of), len(of)

    return Rates(
        tool=share({"call", "asks"}, "tool"),
        arguments=share({"call"}, "right"),
        questions=share({"asks"}, "right"),
        refusals=share({"none"}, "right"),
    )


async def judged(ears: Mapping[str, str]) -> AsyncIterator[Verdict]:
    """Have every conversation of the file with the mind, which gets what is heard of the words."""
    mind = LocalMind()
    for each in yaml.safe_load(FILE.read_text()).values():
        tools = [Tool(**tool) for tool in each["tools"]]
        for row in each["rows"]:
            items: list[Mapping[str, Any]] = []
            for turn in row.get("turns", [row]):
                heard = ears.get(turn["say"], turn["say"])
                items.append(_message("user", heard))
                thought = Thought(instructions="", tools=tools, must_call=None, items=items)
                reply = await mind.reply(thought)
                expected = _instead(turn, turn["say"], heard)
                yield Verdict(
                    half=each["half"],
                    tools=tools,
                    said=heard,
                    heard=bool(ears),
                    expected=expected,
                    reply=reply,
                )
                items += _done(reply)


def _folded(value: Any) -> str:
    return json.dumps(value, sort_keys=True).casefold()


def _instead(value: Any, said: str, heard: str) -> Any:
    """Expect what was heard where the words themselves are expected."""
    if isinstance(value, Mapping):
        return {key: _instead(each, said, heard) for key, each in value.items()}
    return heard if value == said else value


def _done(reply: Reply) -> list[Mapping[str, Any]]:
    """Return the items of a reply, its calls answered."""
    items = [_message("assistant", reply.says)] if reply.says else []
    for number, call in enumerate(reply.calls):
        about: Mapping[str, Any] = {"call_id": f"call_{number}"}
        arguments = json.dumps(call.arguments)
        items += [
            {"type": "function_call", "name": call.name, "arguments": arguments, **about},
            {"type": "function_call_output", "output": _RESULT, **about},
        ]
    return items


def _message(role: str, text: str) -> Mapping[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": "text", "text": text}]}


def _share(right: int, of: int) -> str:
    return f"{right} of {of} ({round(100 * right / of)} %)"


def missed(verdicts: Sequence[Verdict]) -> list[str]:
    """Return what is wrong in the tune half; nobody looks at the other one."""
    told = []
    for each in verdicts:
        if each.half == "tune" and not each.right:
            expected = {key: each.expected[key] for key in each.expected if key != "say"}
            calls = [(call.name, call.arguments) for call in each.reply.calls]
            told.append(f"{each.said!r}: {expected}, but {calls or each.reply.says!r}")
    return told


async def speak() -> None:
    """Let the local mouth say all utterances, and keep what the local ears hear; takes minutes."""
    sets = yaml.safe_load(FILE.read_text()).values()
    rows = [row for each in sets for row in each["rows"]]
    heard = {}
    async with local_speech() as speech:
        for text in [turn["say"] for row in rows for turn in row.get("turns", [row])]:
            sounds = [sound.pcm async for sound in speech.mouth.speak(text)]
            pcm = _SILENCE + b"".join(sounds) + _SILENCE
            heard[text] = await speech.ears.transcribe(resampled(pcm, rate=24_000, to=16_000))
    HEARD.write_text(json.dumps(heard, indent=1, ensure_ascii=False) + "\n")


async def main(options: Collection[str]) -> None:
    """Print the rates; with ``--missed`` what is wrong, and after ``--speak`` as heard anew."""
    if "--speak" in options:
        await speak()
    print(await measure())
    if "--missed" in options:
        for verdicts in (await _verdicts(), await _verdicts(heard=True)):
            print("", *missed(verdicts), sep="\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
