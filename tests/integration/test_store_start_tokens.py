"""Start tokens in the store: how they end, and who gets a use that several want at once."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace

import pytest
from support.plane import keyring
from support.postgres import Postgres
from support.stage import DECLARED, SECOND, Stage, register

from agentfield.identity import Caller
from agentfield.live.start_tokens import StartTokens
from agentfield.sessions.start_tokens import StartToken
from agentfield.store.nodes import SqlNodes
from agentfield.store.postgres import PostgresDatabase
from agentfield.store.replicas import SqlReplicas
from agentfield.store.start_tokens import SqlStartTokens
from agentfield.v1 import errors

pytestmark = pytest.mark.integration

DAY = 24 * 3600
SERVED = {("openai", "webrtc")}
ADA = Caller(name="ada", roles=frozenset({"client"}))


def tokens_of(stage: Stage) -> StartTokens:
    nodes = SqlNodes(stage.database)
    return StartTokens(SqlStartTokens(stage.database), nodes, keyring(ADA), SERVED)


async def made(stage: Stage, *, ttl: float = 60.0, uses: int = 1) -> tuple[str, StartToken]:
    """Make a token; return it as it is shown, and as it is kept."""
    token = await tokens_of(stage).create(
        "n.support", ttl=ttl, uses=uses, caller=ADA, actor_id="ann"
    )
    return token.secret, token.kept


async def test_the_token_itself_is_kept_nowhere(stage: Stage) -> None:
    secret, kept = await made(stage, uses=3)
    store = SqlStartTokens(stage.database)

    found = await store.find(hashlib.sha256(secret.encode()).digest())
    rows = await stage.database.read(lambda c: c.execute("SELECT * FROM start_tokens").fetchall())

    assert found == kept
    assert (found.uses_left, found.expires_at) == (3, stage.clock[0] + 60 * SECOND)
    assert not any(secret in str(value) or secret[4:] in str(value) for value in rows[0])


async def test_a_token_that_expires_says_so_for_a_day_and_is_then_unknown(stage: Stage) -> None:
    secret, _ = await made(stage)
    tokens = tokens_of(stage)
    stage.pass_(59.0)
    assert (await tokens.holder(secret)).name == "ada"

    stage.pass_(1.0)
    with pytest.raises(errors.StartTokenExpired, match=r"for n\.support has expired"):
        await tokens.holder(secret)
    stage.pass_(DAY - 1)
    assert await stage.store.expire(ended_before=0, limit=10) == 0
    with pytest.raises(errors.StartTokenExpired):
        await tokens.holder(secret)

    stage.pass_(1.0)
    assert await stage.store.expire(ended_before=0, limit=10) == 1
    with pytest.raises(errors.Unauthenticated, match="not known here"):
        await tokens.holder(secret)


async def test_old_tokens_are_removed_a_few_at_a_time(stage: Stage) -> None:
    for _ in range(3):
        await made(stage)
    stage.pass_(2 * DAY)
    secret, _ = await made(stage)

    assert [await stage.store.expire(ended_before=0, limit=2) for _ in range(3)] == [2, 1, 0]
    assert await tokens_of(stage).holder(secret)


async def test_a_token_that_expires_after_it_was_shown_starts_nothing(stage: Stage) -> None:
    _, kept = await made(stage)
    stage.pass_(60.0)

    with pytest.raises(errors.StartTokenExpired):
        await stage.start(start_token=kept.token_id)
    assert await stage.store.get("sess_1") is None


async def test_a_use_is_taken_with_the_start_that_is_stored(stage: Stage) -> None:
    secret, kept = await made(stage, uses=2)
    await stage.start(1, start_token=kept.token_id)
    await stage.end((await stage.start(2, start_token=kept.token_id, token=b"2"))[0])

    with pytest.raises(errors.StartTokenUsedUp):
        await stage.start(3, start_token=kept.token_id, token=b"3")
    assert await stage.store.get("sess_3") is None
    # Whoever shows it is known still, and may repeat what it has started.
    assert (await tokens_of(stage).holder(secret)).start is not None


@pytest.mark.parametrize("request_id", ["", "the same"])
async def test_two_servers_share_the_uses_of_a_token(postgres: Postgres, request_id: str) -> None:
    async with (
        postgres.database() as url,
        PostgresDatabase(url) as one,
        PostgresDatabase(url) as other,
    ):
        await SqlReplicas(one).join("repl_1", lease=1e6, alone=False)
        await register(one, DECLARED)
        stages = [Stage(database=each, clock=[each.now()]) for each in (one, other)]
        _, kept = await made(stages[0], uses=1 if request_id else 3)

        async def start(number: int) -> str:
            try:
                session, _ = await stages[number % 2].start(
                    number,
                    token=str(number).encode(),
                    start_token=kept.token_id,
                    request_id=request_id,
                )
            except errors.StartTokenUsedUp:
                return ""
            return session.session_id

        async with asyncio.TaskGroup() as tasks:
            starts = [tasks.create_task(start(number)) for number in range(10)]

        started = [each.result() for each in starts]
        if request_id:
            assert len(set(started)) == 1
            assert started[0]
        else:
            assert started.count("") == 7
            assert len(set(started)) == 4
        left = await SqlStartTokens(one).find(kept.sha256)
        assert left == replace(kept, uses_left=0)
