"""Start tokens: who makes them, what they start, and that nothing is started twice for one use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import grpc
import pytest
from aiohttp import ClientResponse, ClientSession
from google.protobuf.duration_pb2 import Duration
from support.plane import Plane, config_for, keyring, running_plane
from support.storage import Storage

from agentfield import Client
from agentfield.config import Config
from agentfield.contract.facts import methods
from agentfield.contract.status import error_from_rpc
from agentfield.identity import Caller
from agentfield.v1 import errors, session_pb2
from agentfield.v1 import node_service_pb2 as nps
from agentfield.v1 import session_service_pb2 as pb
from agentfield.v1.session_service_pb2_grpc import SessionServiceStub

pytestmark = pytest.mark.integration

CALLERS = (
    Caller(name="web", roles=frozenset({"client"})),
    Caller(name="bot", roles=frozenset({"agent"}), nodes=("n*",)),
    Caller(name="root", roles=frozenset({"admin"})),
)
PAIR: dict[str, Any] = {"provider": "openai", "transport": "webrtc"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A server with a node ``n`` that declares the sessions ``talk``, ``led`` and ``later``."""

    plane: Plane

    async def make(self, target: str = "n.talk", key: str = "web", **wish: Any) -> str:
        """Return a start token."""
        return (await self.made(target, key, **wish)).token

    async def made(
        self, target: str = "n.talk", key: str = "web", *, actor: str = "", **wish: Any
    ) -> pb.CreateClientTokenResponse:
        request = pb.CreateClientTokenRequest(target=target, **wish)
        metadata = (("x-api-key", key), *((("x-actor-id", actor),) if actor else ()))
        response: pb.CreateClientTokenResponse = await self.call(
            "CreateClientToken", request, metadata
        )
        return response

    async def start(
        self, token: str, target: str = "n.talk", **wish: Any
    ) -> pb.StartSessionResponse:
        """Start a session with a token."""
        request = pb.StartSessionRequest(target=target, **wish)
        response: pb.StartSessionResponse = await self.call("StartSession", request, bearer(token))
        return response

    async def session(self, session_id: str, key: str = "web") -> session_pb2.Session:
        request = pb.GetSessionRequest(session_id=session_id)
        response: pb.GetSessionResponse = await self.call(
            "GetSession", request, (("x-api-key", key),)
        )
        return response.session

    async def call(self, rpc: str, request: Any, metadata: Sequence[tuple[str, str]]) -> Any:
        stub: Any = SessionServiceStub(self.plane.channel)
        try:
            return await getattr(stub, rpc)(request, metadata=tuple(metadata))
        except grpc.aio.AioRpcError as error:
            raise error_from_rpc(error) from None


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


def config(storage: Storage, *callers: Caller, **settings: Any) -> Config:
    ring = keyring(*callers) if callers else None
    return replace(config_for(storage), keyring=ring, environment={}, **settings)


@asynccontextmanager
async def running_site(config: Config) -> AsyncIterator[Site]:
    async with running_plane(config) as plane:
        declared = [
            session_pb2.SessionDeclaration(name="talk", **PAIR),
            session_pb2.SessionDeclaration(name="led", has_handler=True, **PAIR),
            session_pb2.SessionDeclaration(name="later", provider="openai", transport="websocket"),
        ]
        request = nps.RegisterNodeRequest(node_id="n", instance_id="w", sessions=declared)
        await plane.nodes.RegisterNode(request, metadata=(("x-api-key", "bot"),))
        yield Site(plane=plane)


@pytest.fixture
async def site(storage: Storage) -> AsyncIterator[Site]:
    async with running_site(config(storage, *CALLERS)) as site:
        yield site


async def test_a_token_starts_the_session_that_it_is_for(site: Site) -> None:
    made = await site.made(actor="ann")

    started = await site.start(made.token)

    assert (made.target, made.uses, made.token_id[:6]) == ("n.talk", 1, "start_")
    session = await site.session(started.session_id)
    assert (session.created_by, session.target) == ("web", "n.talk")
    # What that start returned is all that its client needs from then on.
    request = pb.EndSessionRequest(session_id=started.session_id)
    ended = await site.call("EndSession", request, bearer(started.session_token))
    assert ended.session.end_reason == session_pb2.SESSION_END_REASON_CLIENT_HANGUP


async def test_unless_more_is_asked_for_it_is_good_for_ten_minutes_and_one_start(
    site: Site,
) -> None:
    made = await site.made()

    request = pb.CreateClientTokenRequest(target="n.talk", ttl=Duration(seconds=3600), uses=7)
    longer = await site.call("CreateClientToken", request, (("x-api-key", "root"),))

    apart = longer.expires_at.ToMicroseconds() - made.expires_at.ToMicroseconds()
    assert 3000e6 <= apart < 3000e6 + 60e6
    assert (made.uses, longer.uses) == (1, 7)


@pytest.mark.parametrize(
    ("target", "wish", "error"),
    [
        ("n", {}, errors.InvalidArgument),
        ("m.talk", {}, errors.NodeNotFound),
        ("n.other", {}, errors.TargetNotFound),
        ("n.later", {}, errors.TransportNotServed),
        ("n.talk", {"uses": 1001}, errors.InvalidArgument),
        ("n.talk", {"ttl": Duration(seconds=3601)}, errors.InvalidArgument),
        ("n.talk", {"ttl": Duration()}, errors.InvalidArgument),
    ],
)
async def test_a_token_is_made_for_what_could_be_started(
    site: Site, target: str, wish: dict[str, Any], error: type[errors.AgentFieldError]
) -> None:
    with pytest.raises(error):
        await site.make(target, **wish)


async def test_nothing_but_its_start_is_open_to_a_token(site: Site) -> None:
    token = await site.make()
    found = {}
    for name, method in methods().items():
        kind = "stream" if method.descriptor.client_streaming else "unary"
        answer = "stream" if method.descriptor.server_streaming else "unary"
        call = getattr(site.plane.channel, f"{kind}_{answer}")(name)
        sent = iter([b""]) if kind == "stream" else b""
        called = call(sent, metadata=bearer(token))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await (anext(aiter(called)) if answer == "stream" else called)
        found[name] = error_from_rpc(refused.value)

    # An empty request names no target.
    start = found.pop("/agentfield.v1.SessionService/StartSession")
    assert start.reason == "INVALID_ARGUMENT"
    assert {error.reason for error in found.values()} == {"PERMISSION_DENIED"}
    assert all("it starts n.talk" in error.message for error in found.values())


async def test_a_token_goes_no_further_than_its_target_as_it_is_declared(site: Site) -> None:
    token = await site.make()

    for target, wish in (
        ("n.led", {}),
        ("m.talk", {}),
        ("n.talk", {"model": "better"}),
        ("n.talk", {"voice": "nicer"}),
        ("n.talk", {"metadata": b'{"customer": "another"}'}),
    ):
        with pytest.raises(errors.PermissionDenied):
            await site.start(token, target, **wish)

    # None of them was a use.
    assert (await site.start(token, metadata=b"{}")).session_id


async def test_a_token_that_is_used_up_says_so(site: Site) -> None:
    token = await site.make(uses=2)
    await site.start(token)
    await site.start(token)

    with pytest.raises(errors.StartTokenUsedUp, match=r"for n\.talk has started as many"):
        await site.start(token)


async def test_a_repeat_is_the_same_start_and_no_use(site: Site) -> None:
    token = await site.make()

    first = await site.start(token, request_id="r")
    again = await site.start(token, request_id="r")

    assert again.session_id == first.session_id
    assert again.session_token != first.session_token
    for session_token in (first.session_token, again.session_token):
        request = pb.GetSessionRequest(session_id=first.session_id)
        assert await site.call("GetSession", request, bearer(session_token))
    with pytest.raises(errors.StartTokenUsedUp):
        await site.start(token, request_id="another")


async def test_a_request_id_is_each_token_s_own(site: Site) -> None:
    one, other = await site.make(), await site.make()
    request = pb.StartSessionRequest(target="n.talk", request_id="r")

    by_key = await site.call("StartSession", request, (("x-api-key", "web"),))
    started = {(await site.start(token, request_id="r")).session_id for token in (one, other)}

    assert len(started | {by_key.session_id}) == 3


@pytest.mark.parametrize("request_id", ["", "the same"])
async def test_of_many_at_once_one_has_the_last_use(site: Site, request_id: str) -> None:
    token = await site.make()

    async def attempt() -> str:
        try:
            return (await site.start(token, request_id=request_id)).session_id
        except errors.StartTokenUsedUp:
            return ""

    async with asyncio.TaskGroup() as tasks:
        attempts = [tasks.create_task(attempt()) for _ in range(12)]

    found = [each.result() for each in attempts]
    # With one request_id all of them are one start.
    assert len(set(found) - {""}) == 1
    assert found.count("") == (0 if request_id else 11)
    listed = await site.call("ListSessions", pb.ListSessionsRequest(), (("x-api-key", "root"),))
    assert len(listed.sessions) == 1


async def test_a_start_that_is_refused_costs_no_use(storage: Storage) -> None:
    async with running_site(config(storage, *CALLERS, max_sessions_per_caller=1)) as site:
        led, talk = await site.make("n.led"), await site.make()
        # No worker is connected that could run the handler.
        with pytest.raises(errors.NodeUnavailable):
            await site.start(led, "n.led")
        with pytest.raises(errors.NodeUnavailable):
            await site.start(led, "n.led", request_id="r")
        by_key = pb.StartSessionRequest(target="n.talk")
        running = await site.call("StartSession", by_key, (("x-api-key", "web"),))
        # The limit per caller is that of the key that made the token.
        with pytest.raises(errors.SessionLimitReached):
            await site.start(talk)
        with pytest.raises(errors.SessionLimitReached):
            await site.start(talk)

        end = pb.EndSessionRequest(session_id=running.session_id)
        await site.call("EndSession", end, (("x-api-key", "web"),))

        assert (await site.start(talk)).session_id


async def test_a_token_is_as_good_as_the_key_that_made_it(storage: Storage) -> None:
    async with running_site(config(storage, *CALLERS)) as site:
        token, other = await site.make(), await site.make(key="root")
    demoted = Caller(name="web", roles=frozenset({"agent"}))
    async with running_site(config(storage, demoted, *CALLERS[1:])) as site:
        with pytest.raises(errors.Unauthenticated, match="The key that made this start token"):
            await site.start(token)
        assert (await site.start(other)).session_id
    async with running_site(config(storage, *CALLERS)) as site:
        assert (await site.start(token)).session_id


async def test_without_keys_tokens_are_made_and_are_limits_all_the_same(storage: Storage) -> None:
    async with running_site(config(storage)) as site:
        token = await site.make(key="")
        assert (await site.start(token)).session_id

        with pytest.raises(errors.StartTokenUsedUp):
            await site.start(token)
        with pytest.raises(errors.PermissionDenied):
            await site.call("ListSessions", pb.ListSessionsRequest(), bearer(token))


async def test_a_client_of_ours_may_show_it_in_place_of_a_key(site: Site) -> None:
    address = site.plane.app.grpc_address
    async with Client(address, api_key="web") as shop:
        token = await shop.sessions.create_token("n.talk", ttl=60, uses=2, actor_id="ann")
        async with Client(address, api_key=token.token) as page:
            started = await page.sessions.start("n.talk")
            with pytest.raises(errors.PermissionDenied):
                await page.sessions.get(started.session_id)
        async with Client(address, api_key=started.session_token) as call:
            ended = await call.sessions.end(started.session_id)

    assert (ended.end_reason, ended.created_by) == ("client_hangup", "web")


async def test_over_rest_a_page_starts_with_nothing_but_its_token(storage: Storage) -> None:
    settings = config(storage, *CALLERS, http_bind="127.0.0.1:0")
    async with (
        running_site(settings) as site,
        ClientSession(f"http://{site.plane.http_address}") as http,
    ):

        async def post(path: str, credential: str, body: dict[str, Any] | None = None) -> Any:
            headers = {"Authorization": f"Bearer {credential}", "Idempotency-Key": "page-1"}
            async with http.post(path, json=body, headers=headers) as answer:
                return answer.status, await answer.json(), answer

        status, made, _ = await post(
            "/api/v1/client-tokens", "web", {"target": "n.talk", "ttl": 60, "uses": 1}
        )
        assert (status, sorted(made)) == (
            201,
            ["expires_at", "target", "token", "token_id", "uses"],
        )
        start = "/api/v1/session-targets/n.talk/start"
        first = await post(start, made["token"])
        again = await post(start, made["token"], {})
        other = await post(start, made["token"], {"request_id": "page-2"})
        unknown = await post(start, "afs_guess")
        wrong = await post("/api/v1/client-tokens", made["token"], {"target": "n.talk"})

    assert (first[0], again[0]) == (201, 201)
    assert first[1]["session_id"] == again[1]["session_id"]
    assert [(each[0], each[1]["reason"]) for each in (other, unknown, wrong)] == [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
    ]
    answer: ClientResponse = unknown[2]
    assert answer.headers["WWW-Authenticate"] == "Bearer"
