"""Workers hear of the ends of what they run."""

from __future__ import annotations

__all__ = ["follow_ends"]

import asyncio
from collections.abc import Mapping
from functools import partial

from agentfield.dispatch.background import until_stored
from agentfield.dispatch.link import Link
from agentfield.executions.engine import Topic
from agentfield.executions.ports import Hints
from agentfield.executions.work import WorkStore


async def follow_ends(links: Mapping[str, Link], *, store: WorkStore, hints: Hints) -> None:
    """Stop what was cancelled or timed out, and note what was reported, until cancelled."""
    clock = asyncio.get_running_loop().time
    poll_at = clock() + hints.trusted_seconds
    ended: frozenset[str] = frozenset()
    with hints.listen((Topic.STOPPED, None), (Topic.DONE, None)) as listener:
        while True:
            for topic, execution_id in await listener.wait(max(poll_at - clock(), 0.0)):
                for link in links.values():
                    if topic == Topic.STOPPED:
                        link.stop(execution_id)
                    else:
                        link.done(execution_id)
            if clock() >= poll_at:
                # The hint of what ended just now is on its way: the next look finds what is left.
                before, ended = ended, await until_stored(partial(_ended, links, store))
                for execution_id in before & ended:
                    for link in links.values():
                        link.stop(execution_id)
                poll_at = clock() + hints.trusted_seconds


async def _ended(links: Mapping[str, Link], store: WorkStore) -> frozenset[str]:
    """Return what workers may have that is not theirs to run any more."""
    # Read before the store is asked: what is sent meanwhile is not in its answer.
    sent = {link.worker_id: link.sent for link in links.values() if link.sent}
    if not sent:
        return frozenset()
    return frozenset[str]().union(*sent.values()) - await store.active(list(sent))
