"""How often one caller may call: a bucket of tokens for each, filled at one rate."""

from __future__ import annotations

__all__ = ["Buckets", "Rate"]

import math
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import unquote

from agentfield.contract.facts import methods
from agentfield.identity import Caller
from agentfield.rpc.call import Context, current_call
from agentfield.rpc.interceptors import Around
from agentfield.v1 import errors

BURST_SECONDS = 10.0
"""For so long a caller may have saved up."""
_CALLERS = 10_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Buckets:
    """A bucket for each caller that calls now; those that have not called for long are forgotten.

    ``clock`` counts seconds and never goes back.
    """

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._size = max(1.0, per_second * BURST_SECONDS)
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, caller: str) -> float:
        """Take a token; return 0, or how many seconds it takes until there is one."""
        now = self._clock()
        bucket = self._buckets.pop(caller, None) or _Bucket(self._size, now)
        self._buckets[caller] = bucket  # the last one is who called last
        if len(self._buckets) > _CALLERS:
            self._buckets.popitem(last=False)
        bucket.tokens = min(self._size, bucket.tokens + (now - bucket.at) * self._per_second)
        bucket.at = now
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / self._per_second
        bucket.tokens -= 1
        return 0.0


class Rate(Around):
    """Refuses what a caller calls too often: a key, a token, or an address without keys."""

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._buckets = Buckets(per_second, clock)

    @asynccontextmanager
    async def around(self, context: Context, method: str) -> AsyncIterator[None]:
        fact = methods().get(method)
        if fact is not None and fact.counted:
            who = _who(current_call.get().caller, context)
            if wait := self._buckets.take(who):
                raise errors.RateLimited(
                    f"{who[0].upper()}{who[1:]} makes more than {self._per_second:g} requests per "
                    f"second; ask again in {math.ceil(wait)} s.",
                    metadata={"requests_per_second": f"{self._per_second:g}"},
                    retry_after=wait,
                )
        yield


def _who(caller: Caller, context: Context) -> str:
    if caller.is_session:
        return f"the token of session {caller.session_id}"
    if caller.start is not None:
        return f"the start token {caller.start.token_id}"
    if caller.name:
        return f"key '{caller.name}'"
    # grpc writes ipv4:127.0.0.1:40122 and ipv6:%5B::1%5D:40122; all connections are one caller.
    host = unquote(context.peer()).partition(":")[2].rpartition(":")[0]
    return f"address {host.strip('[]') or 'unknown'}"
