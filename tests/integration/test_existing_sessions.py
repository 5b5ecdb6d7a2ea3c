"""Starts, offers and tool calls of existing clients, by both families of paths."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.existing import EMPTY_START, Desk, opened
from support.live import sdp

pytestmark = pytest.mark.integration

OLDER, NEWER = ("sessions", "sessions"), ("session-targets", "session-instances")
both_families = pytest.mark.parametrize(
    ("starts", "family"), [OLDER, NEWER], ids=["sessions", "session-targets"]
)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with opened() as found:
        yield found


@both_families
async def test_a_start_is_answered_with_every_field(desk: Desk, starts: str, family: str) -> None:
    desk.names.known["family"] = family

    answer = await desk.post(f"/api/v1/{starts}/desk.plain/start", EMPTY_START)

    desk.check("start", answer)


@both_families
@pytest.mark.parametrize("body", ["", "{}", '{"metadata": {"a": 1}}', '{"model": null}'])
async def test_a_start_needs_no_body(desk: Desk, starts: str, family: str, body: str) -> None:
    answer = await desk.post(f"/api/v1/{starts}/desk.plain/start", text=body)

    assert answer.status == 201, family


@both_families
@pytest.mark.parametrize(
    ("target", "body", "status", "text", "facts"),
    [
        ("plain", {}, 400, "session target must be <node>.<session>", {}),
        (".plain", {}, 400, "session target must be <node>.<session>", {}),
        ("nobody.plain", {}, 404, "agent not found", {}),
        ("bare.plain", {}, 404, "agent has no registered sessions", {}),
        ("desk.other", {}, 404, "session not registered", {}),
        (
            "desk.plain",
            {"provider": "custom"},
            400,
            (
                "Unknown session provider 'custom'. Known providers: openai, openrouter. Register "
                "provider capabilities before using a custom session provider."
            ),
            {"provider": "custom", "transport": "webrtc"},
        ),
        (
            "desk.plain",
            {"provider": "openrouter", "transport": "webrtc"},
            400,
            (
                "Unsupported session transport 'webrtc' for provider 'openrouter'. Supported "
                "transports: audio_turns. AgentField does not infer or switch providers; set provider "
                "and transport explicitly."
            ),
            {"provider": "openrouter", "transport": "webrtc"},
        ),
        (
            "desk.plain",
            {"transport": "websocket"},
            400,
            (
                "session desk.plain is registered for provider=openai transport=webrtc; requested "
                "provider=openai transport=websocket"
            ),
            {},
        ),
    ],
)
async def test_a_start_that_is_refused_says_why_in_the_known_words(
    desk: Desk,
    *,
    starts: str,
    family: str,
    target: str,
    body: dict[str, str],
    status: int,
    text: str,
    facts: dict[str, str],
) -> None:
    answer = await desk.post(f"/api/v1/{starts}/{target}/start", EMPTY_START | body)

    assert answer.status == status, family
    assert answer.body["error"].startswith(text)
    assert answer.body["message"] == answer.body["error"]
    assert facts.items() <= answer.body.items()


@both_families
async def test_a_start_with_a_body_that_is_no_json_is_refused(
    desk: Desk, starts: str, family: str
) -> None:
    answer = await desk.post(f"/api/v1/{starts}/desk.plain/start", text="{not json")

    assert (answer.status, answer.body["reason"]) == (400, "INVALID_ARGUMENT"), family
    assert "must be a JSON object" in answer.body["error"]


@both_families
async def test_an_offer_to_the_address_of_the_start_gets_the_answer_as_sdp(
    desk: Desk, starts: str, family: str
) -> None:
    started = await desk.post(f"/api/v1/{starts}/desk.plain/start", EMPTY_START)
    url = started.body["offer_url"]
    assert f"/api/v1/{family}/" in url

    answer = await desk.post(
        url, text=sdp(), Content_Type="application/sdp", Accept="application/sdp"
    )

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/sdp")
    assert answer.body.startswith("v=0\r\n")


@both_families
@pytest.mark.parametrize(
    ("query", "offer", "status", "text"),
    [
        ("", "", 400, "SDP offer body is required"),
        ("?target=desk", "", 400, "Session '<session>' is of desk.plain<…>target=desk."),
        ("?transport=websocket", sdp(), 400, "<…>the offer says transport=websocket."),
        ("?provider=openrouter", sdp(), 400, "<…>the offer says provider=openrouter."),
        ("?model=another&voice=other", '{"sdp": ""}', 400, "The offer is no SDP<…>"),
    ],
)
async def test_an_offer_that_is_refused_says_why(
    desk: Desk, *, starts: str, family: str, query: str, offer: str, status: int, text: str
) -> None:
    session_id = await desk.start(starts)

    answer = await desk.post(f"/api/v1/{family}/{session_id}/realtime-offer{query}", text=offer)

    assert answer.status == status
    assert desk.names.matches(text, answer.body["error"]), answer.body


async def test_a_server_without_the_provider_s_key_says_so_after_the_offer_was_looked_at() -> None:
    async with opened(environment={"OPENAI_API_KEY": ""}) as desk:
        session_id = await desk.start()
        path = f"/api/v1/session-instances/{session_id}/realtime-offer"

        no_offer, no_key = await desk.post(path), await desk.post(path, text=sdp())

    assert (no_offer.status, no_offer.body["error"]) == (400, "SDP offer body is required")
    assert (no_key.status, no_key.body["error"]) == (
        502,
        "OPENAI_API_KEY is required for provider=openai transport=webrtc",
    )
    assert no_key.body["provider"] == "openai"


@both_families
@pytest.mark.parametrize(
    ("tool", "body"),
    [
        ("find", {"target": "", "input": {"q": 1}}),
        ("find", {"input": {"q": 1}}),
        ("anything", {"target": "desk.find", "input": {"q": 1}}),
        ("desk.find", {"target": "", "input": None}),
        ("find", None),
    ],
)
async def test_a_tool_call_is_accepted_like_any_execution(
    desk: Desk, starts: str, family: str, tool: str, body: Any
) -> None:
    session_id = await desk.start(starts)

    answer = await desk.post(f"/api/v1/{family}/{session_id}/tools/{tool}", body)

    desk.check("accepted", answer)


@both_families
@pytest.mark.parametrize(
    ("session", "text", "status", "reason"),
    [
        ("", "{", 400, "INVALID_ARGUMENT"),
        ("", '{"target": "desk.look"}', 403, "TOOL_NOT_ALLOWED"),
        ("demo_123", "{}", 404, "SESSION_NOT_FOUND"),
    ],
)
async def test_a_tool_call_that_is_refused_says_why(
    desk: Desk, *, starts: str, family: str, session: str, text: str, status: int, reason: str
) -> None:
    session_id = session or await desk.start(starts)

    answer = await desk.post(f"/api/v1/{family}/{session_id}/tools/find", text=text)

    assert (answer.status, answer.body["reason"]) == (status, reason)


async def test_a_page_that_is_being_made_at_localhost_may_call(desk: Desk) -> None:
    session_id = await desk.start("sessions")
    path, page = f"/api/v1/sessions/{session_id}/realtime-offer", "http://localhost:5173"
    asks = "content-type,x-session-id,x-run-id,idempotency-key,last-event-id,x-api-key"

    preflight = await desk.send(
        "OPTIONS",
        path,
        Origin=page,
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers=asks,
    )
    offer = await desk.post(path, text=sdp(), Origin=page, Content_Type="application/sdp")
    invented = await desk.post(
        "/api/v1/sessions/demo_k3j2h1/realtime-offer", text=sdp(), Origin=page
    )

    allowed = preflight.headers["Access-Control-Allow-Headers"].lower().replace(" ", "").split(",")
    assert set(asks.split(",")) <= set(allowed)
    assert preflight.headers["Access-Control-Allow-Origin"] == page
    assert (offer.status, offer.headers["Access-Control-Allow-Origin"]) == (200, page)
    # The existing example page invents its session; nothing is served to one never started.
    assert (invented.status, invented.body["reason"]) == (404, "SESSION_NOT_FOUND")
    assert invented.headers["Access-Control-Allow-Origin"] == page
