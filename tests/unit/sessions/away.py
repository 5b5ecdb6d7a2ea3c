"""What happens to a conversation that nobody listens to, and what is found in it afterwards."""

from __future__ import annotations

__all__ = ["TEXT", "Away", "found_call", "restarted", "unlinked"]

from collections.abc import Callable

from unit.sessions.stage import Stage

from agentfield.sessions import provider as p

TEXT = "One two three four five six."
Away = Callable[[Stage], Stage]


def restarted(stage: Stage) -> Stage:
    """Return the stage of a process that begins with the log of another."""
    return stage.after_restart()


def unlinked(stage: Stage) -> Stage:
    """Return the same stage, without its link."""
    stage.lose_link()
    stage.effects.clear()
    stage.wait(1)
    return stage


def found_call(item: str = "call-1-item", status: str = "completed") -> p.ItemFound:
    return p.ItemFound(
        item_id=item,
        type="function_call",
        status=status,
        call_id="call-1",
        name="look",
        arguments='{"n": 1}',
    )
