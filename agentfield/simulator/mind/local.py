"""The local mind: tools by shared words, arguments by schema, answers from results."""

from __future__ import annotations

__all__ = ["LocalMind"]

from collections.abc import Sequence
from dataclasses import dataclass

from agentfield.simulator.mind.choosing import answers_anything, choose, ranked
from agentfield.simulator.mind.filling import Filled, fill
from agentfield.simulator.mind.memory import Exchange, exchanges, results
from agentfield.simulator.mind.questions import abilities, question
from agentfield.simulator.mind.results import worded
from agentfield.simulator.mind.schemas import Parameter, parameters
from agentfield.simulator.mind.talk import asks_what_can_be_done, calls_off, forbids, small_talk
from agentfield.simulator.mind.words import Utterance
from agentfield.simulator.script import Call, Reply
from agentfield.simulator.senses import Thought, Tool

_AGAIN = "I did not get that."
_LEFT = "All right, I leave it."
_PATIENCE = 3
"""How often one thing is asked before it is let be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    """What the assistant has asked last, and is to be answered now."""

    filled: Filled
    parameter: Parameter
    times: int
    """How often it has been asked for this."""


class LocalMind:
    """Decides by rules, without a model: the same conversation gets the same reply.

    It knows nothing but the thought it is given; instructions are not understood and not used.
    """

    async def reply(self, thought: Thought) -> Reply:
        """Return what is said and called."""
        told = " ".join(worded(output) for output in results(thought.items))
        talk = exchanges(thought.items)
        if not talk or talk[-1].answer:
            return Reply(says=told or "Hello. What can I do for you?")
        answer = _answer(thought, talk[:-1], talk[-1])
        return Reply(says=f"{told} {answer.says}".strip(), calls=answer.calls)


def _answer(thought: Thought, before: Sequence[Exchange], now: Exchange) -> Reply:
    if thought.must_call is not None:
        return _forced(thought, now.said)
    pending = _pending(thought.tools, before)
    if pending is not None and (answer := _continued(thought.tools, pending, now.said)):
        return answer
    if says := _talk(thought.tools, now.said):
        return Reply(says=says)
    filled = _fitting(thought.tools, now)
    if filled is not None:
        return _proceed(filled)
    return Reply(says=f"I cannot help with that. {abilities(thought.tools)}")


def _fitting(tools: Sequence[Tool], exchange: Exchange) -> Filled | None:
    """Return the tool that fits what was said, or all of it, with what is known by that."""
    for said in dict.fromkeys((exchange.said, exchange.whole)):
        tool = choose(tools, said)
        if tool is not None:
            return fill(tool, said)
    return None


def _talk(tools: Sequence[Tool], said: Utterance) -> str:
    """Return the answer to what needs no tool; "" if it may need one."""
    if calls_off(said) or forbids(said):
        return _LEFT
    if asks_what_can_be_done(said):
        return abilities(tools)
    return small_talk(said)


def _continued(tools: Sequence[Tool], pending: _Pending, said: Utterance) -> Reply | None:
    """Return what follows from the answer to a question; None if it is about something else."""
    if calls_off(said):
        return Reply(says=_LEFT)
    asked = pending.parameter.path
    filled = fill(pending.filled.tool, said, known=pending.filled.values, asked=asked)
    other = choose(tools, said)
    changed = other is not None and other != filled.tool and not answers_anything(other)
    if asked in filled.values and not (changed and _takes_anything(pending.parameter)):
        return _proceed(filled)
    if changed or small_talk(said):
        return None
    if pending.times >= _PATIENCE:
        return Reply(says="I still did not get that, so I leave it.")
    return Reply(says=f"{_AGAIN} {question(pending.parameter)}")


def _takes_anything(parameter: Parameter) -> bool:
    return parameter.kind in {"string", "any"} and not (
        parameter.choices or "pattern" in parameter.schema or "format" in parameter.schema
    )


def _proceed(filled: Filled) -> Reply:
    """Call, or ask for the first thing that is missing."""
    if filled.missing:
        return Reply(says=question(filled.missing[0]))
    arguments = filled.arguments
    if arguments is None:
        return Reply(says="I understood you, but I cannot put it into the form that is needed.")
    return Reply(calls=[Call(name=filled.tool.name, arguments=arguments)])


def _forced(thought: Thought, said: Utterance) -> Reply:
    """Call a tool that must be called; what cannot be taken from the words is asked for."""
    named = [tool for tool in thought.tools if thought.must_call in {"", tool.name}]
    if not named:
        return Reply(says=f"I cannot help with that. {abilities(thought.tools)}")
    best = ranked(named, said)[0][0]
    fitting = [
        fill(tool, said, anything=True) for score, tool in ranked(named, said) if score == best
    ]
    return _proceed(min(fitting, key=lambda filled: len(filled.missing)))


def _pending(tools: Sequence[Tool], talk: Sequence[Exchange]) -> _Pending | None:
    """Follow the questions that were asked last, one after the other, and their answers."""
    may_ask = [each for tool in tools for each in parameters(tool.parameters) if each.required]
    first = len(talk)
    while first and any(_asks(talk[first - 1].answer, each) for each in may_ask):
        first -= 1
    pending: _Pending | None = None
    for exchange in talk[first:]:
        filled = None
        if pending is not None:
            asked = pending.parameter.path
            filled = fill(
                pending.filled.tool, exchange.said, known=pending.filled.values, asked=asked
            )
        pending = _asked(tools, exchange, filled, pending)
    return pending


def _asked(
    tools: Sequence[Tool], exchange: Exchange, filled: Filled | None, before: _Pending | None
) -> _Pending | None:
    """Return what an answer asks for: first as it goes on, else as of the tool that fits."""
    if filled is not None and before is not None:
        for parameter in filled.missing:
            if _asks(exchange.answer, parameter):
                times = before.times + 1 if parameter == before.parameter else 1
                return _Pending(filled=filled, parameter=parameter, times=times)
    fresh = _fitting(tools, exchange)
    for parameter in fresh.missing if fresh is not None else ():
        if fresh is not None and _asks(exchange.answer, parameter):
            return _Pending(filled=fresh, parameter=parameter, times=1)
    return None


def _asks(answer: str, parameter: Parameter) -> bool:
    """Say whether an answer is the question for a parameter, or what was heard of it."""
    asked = question(parameter)
    heard = answer.removeprefix(_AGAIN).strip()
    return answer.endswith(asked) or (len(heard.split()) > 1 and asked.startswith(heard))
