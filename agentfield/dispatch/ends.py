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
    with hints.listen((Topic.STOPPED, None), (Topic.DONE, None)) as listener:
        while True:
            for topic, execution_id in await listener.wait(max(poll_at - clock(), 0.0)):
                for link in links.values():
                    if topic == Topic.STOPPED:
                        link.stop(execution_id)
                    else:
                        link.done(execution_id)
            if clock() >= poll_at:
                await until_stored(partial(_stop_what_ended, links, store))
                poll_at = clock() + hints.trusted_seconds


async def _stop_what_ended(links: Mapping[str, Link], store: WorkStore) -> None:
    """Stop what workers run that has ended, without a hint that arrived."""
    # Read before the store is asked: what is sent meanwhile is not in its answer.
    sent = [(link, link.sent) for link in links.values() if link.sent]
    if not sent:
        return
    active = await store.active([link.worker_id for link, _ in sent])
    for link, execution_ids in sent:
        for execution_id in execution_ids - active:
            link.stop(execution_id)
