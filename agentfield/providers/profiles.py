"""The providers that are served, and how the environment reaches them."""

from __future__ import annotations

__all__ = ["PROFILES", "Profile", "providers"]

from collections.abc import Mapping

import aiohttp

from agentfield.providers.openai_realtime import OpenAIRealtime
from agentfield.providers.profile import Profile
from agentfield.sessions.provider import Capabilities, Provider

PROFILES = (
    Profile(
        name="openai",
        transport="webrtc",
        title="OpenAI",
        protocol="openai_realtime",
        capabilities=Capabilities(
            speech="requested",
            max_duration_s=3600.0,
            default_model="gpt-realtime-2",
            default_voice="marin",
            default_transcription_model="gpt-4o-mini-transcribe",
        ),
        base_url="https://api.openai.com/v1",
        base_url_variable="OPENAI_BASE_URL",
        key_variable="OPENAI_API_KEY",
    ),
)

_ADAPTERS = {"openai_realtime": OpenAIRealtime}


def providers(
    environment: Mapping[str, str], http: aiohttp.ClientSession
) -> dict[tuple[str, str], Provider]:
    """Return the providers by name and transport, with their keys and addresses read.

    One without a key is there, too: it says so. ``http`` stays the caller's to close.
    """
    return {
        (profile.name, profile.transport): _provider(profile, environment, http)
        for profile in PROFILES
    }


def _provider(
    profile: Profile, environment: Mapping[str, str], http: aiohttp.ClientSession
) -> Provider:
    key = environment.get(profile.key_variable, "").strip()
    base_url = environment.get(profile.base_url_variable, "").strip() or profile.base_url
    adapter = _ADAPTERS[profile.protocol](profile=profile, base_url=base_url, key=key, http=http)
    return Provider(
        name=profile.name,
        transport=profile.transport,
        capabilities=profile.capabilities,
        has_key=bool(key),
        key_variable=profile.key_variable,
        adapter=adapter,
    )
