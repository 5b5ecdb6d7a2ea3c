"""Examples of what belongs to a session: a call to the weather agent."""

from __future__ import annotations

__all__ = ["SESSION_SAMPLES"]

from typing import Any

SESSION_ID = "sess_01kb0z6v5tn7c3g9q5x1d8b2fw"
PLACE = f"/api/v1/session-instances/{SESSION_ID}"
TARGET = "weather.talk"
WORDS = "What is the weather in Paris?"
OFFER = """v=0\r
o=- 4611732 2 IN IP4 127.0.0.1\r
s=-\r
t=0 0\r
m=audio 9 UDP/TLS/RTP/SAVPF 111\r
a=setup:actpass\r
"""
ANSWER = OFFER.replace("actpass", "active")

TALKS: dict[str, Any] = {
    # What a session that goes on has, and what only one that has ended does.
    "session_id": SESSION_ID,
    "target": TARGET,
    "state": "live",
    "connect_by": "2026-11-23T12:01:00.118Z",
    "live_at": "2026-11-23T12:00:02.402Z",
    "end_reason": None,
    "end_detail": None,
    "ended_at": None,
    "deleted_at": None,
    "provider_calls": [],
    "turns": [],
}
ENDED: dict[str, Any] = {
    "state": "ended",
    "end_reason": "api_ended",
    "end_detail": "Closing time.",
    "ended_at": "2026-11-23T12:03:10.007Z",
    "handler": "returned",
}
DELETED: dict[str, Any] = {
    **ENDED,
    "deleted_at": "2026-11-24T09:00:00Z",
    "end_detail": None,
    "metadata": None,
}
CALL: dict[str, Any] = {
    "provider_call_id": "call_01kb0z6vm2x4r8t6w1y5a9c3ep",
    "generation": 1,
    "provider": "openai",
    "external_id": "rtc_u1_9fd2",
    "state": "open",
    "created_at": "2026-11-23T12:00:01.005Z",
}
TURN: dict[str, Any] = {
    "item_id": "item_1",
    "role": "user",
    "text": WORDS,
    "interrupted": False,
    "estimated": False,
    "channel": "audio",
    "at": "2026-11-23T12:00:06.530Z",
}


def _of(place: str, samples: dict[str, Any]) -> dict[str, Any]:
    return {f"{place}.{name}": value for name, value in samples.items()}


SESSION_SAMPLES: dict[str, Any] = {
    # By name. None: left out.
    "answer_sdp": ANSWER,
    "at": "2026-11-23T12:00:07.214Z",
    "call_id": None,
    "connect_timeout": "60s",
    "create_response": True,
    "data": {"schema": 1, "item_id": "item_1", "text": WORDS},
    "data_channel": "monitor",
    "detail": "Closing time.",
    "eagerness": None,
    "events_url": f"{PLACE}/events",
    "handler": "running",
    "handler_grace": "30s",
    "has_handler": True,
    "idle_timeout": "300s",
    "idle_timeout_ms": None,
    "instructions": "You tell the weather, in one sentence.",
    "interrupt_response": True,
    "language": "en",
    "last_sequence": 12,
    "max_duration": "3600s",
    "max_sessions": 8,
    "metadata": {"page": "/forecast"},
    "modalities": ["audio", "text"],
    "model": "gpt-realtime",
    "off": False,
    "offer_sdp": OFFER,
    "offer_url": f"{PLACE}/realtime-offer?provider=openai&target={TARGET}&transport=webrtc",
    "prefix_padding_ms": 300,
    "provider": "openai",
    "session_id": SESSION_ID,
    "session_token": "aft_c2Vzc2lvbi10b2tlbg",
    "session_token_expires_at": "2026-11-23T13:01:00.118Z",
    "silence_duration_ms": 500,
    "threshold": 0.5,
    "token": "afs_c3RhcnQtdG9rZW4",
    "token_id": "start_01kb0z6tb2h4m6p8r0s2t4v6w8",
    "tool": "forecast",
    "tool_targets": {"forecast": "weather.forecast"},
    "tool_timeout": "30s",
    "tool_url": f"{PLACE}/tools/{{tool}}",
    "tools": ["forecast"],
    "transcript_timeout": "5s",
    "transport": "webrtc",
    "ttl": "600s",
    "usage": {"total_tokens": 812},
    "uses": 1,
    "voice": "marin",
    # By message and name.
    **_of("Session", TALKS),
    **_of("StartSessionResponse", {**TALKS, "state": "pending"}),
    "EffectiveConfiguration.turn_detection": {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "create_response": False,
        "interrupt_response": True,
    },
    "InvokeToolResponse.status": "queued",
    "Limits.max_sessions_per_caller": 100,
    "Limits.max_sessions_per_target": 1000,
    "Limits.requests_per_second": 1000,
    "ListSessionsRequest.state": "live",
    "ListSessionsRequest.target": TARGET,
    "SessionDeclaration.metadata": None,
    "SessionDeclaration.name": "talk",
    "SessionEvent.sequence": 12,
    "SessionEvent.type": "turn.transcribed",
    "ToolOptions.timeout": "10s",
    "StartSessionRequest.target": TARGET,
    "Transcription.model": "gpt-4o-transcribe",
    "CreateClientTokenRequest.target": TARGET,
    "CreateClientTokenResponse.target": TARGET,
    # By where it stands in a body.
    "ListSessionWorkflowsResponse.next_page_token": None,
    "ListSessionWorkflowsResponse.workflows.session_id": SESSION_ID,
    "ListSessionWorkflowsResponse.workflows.target": TARGET,
    "GetSessionResponse.session.provider_calls": [CALL],
    "GetSessionResponse.session.turns": [TURN],
    **_of("EndSessionResponse.session", ENDED),
    **_of("DeleteSessionResponse.session", DELETED),
}
