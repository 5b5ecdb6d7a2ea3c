"""What an SDP offer must be before it is taken to a provider. It is never edited."""

from __future__ import annotations

__all__ = ["MAX_SDP", "OfferAssertions", "checked_offer", "has_channel"]

from dataclasses import dataclass

from agentfield.sessions.model import Session, session_ended
from agentfield.sessions.provider import Provider
from agentfield.v1 import errors

MAX_SDP = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferAssertions:
    """What the client says of the session; empty: nothing."""

    provider: str = ""
    transport: str = ""
    target: str = ""


def checked_offer(
    sdp: bytes, asserted: OfferAssertions, session: Session, provider: Provider
) -> None:
    """Raise what is wrong with an offer for a session, before anybody is called."""
    if session.is_over:
        raise session_ended(session)
    _check_assertions(asserted, session)
    if session.declaration.transport != "webrtc":
        raise errors.InvalidArgument(
            "realtime-offer requires transport=webrtc; this session uses "
            f"{session.declaration.transport}.",
            metadata={"field": "transport"},
        )
    _check_sdp(sdp, session)
    if not provider.has_key:
        raise errors.ProviderKeyMissing(
            f"{provider.key_variable} is required for provider={provider.name} "
            f"transport={provider.transport}",
            metadata={"provider": provider.name, "variable": provider.key_variable},
        )


def has_channel(sdp: bytes) -> bool:
    """Return whether the client may speak with the provider about more than audio."""
    return any(line.strip().startswith(b"m=application") for line in sdp.splitlines())


def _check_assertions(asserted: OfferAssertions, session: Session) -> None:
    d = session.declaration
    for name, said, actual in (
        ("provider", asserted.provider.strip(), d.provider),
        ("transport", asserted.transport.strip(), d.transport),
        ("target", asserted.target.strip(), session.target),
    ):
        same = said == actual if name == "target" else said.lower().replace("-", "_") == actual
        if said and not same:
            raise errors.InvalidArgument(
                f"Session '{session.session_id}' is of {session.target} with "
                f"provider={d.provider} transport={d.transport}; the offer says {name}={said}.",
                metadata={"field": name},
            )


def _check_sdp(sdp: bytes, session: Session) -> None:
    if not sdp.strip():
        raise errors.InvalidArgument("SDP offer body is required", metadata={"field": "offer_sdp"})
    if len(sdp) > MAX_SDP:
        raise errors.PayloadTooLarge(
            f"The SDP offer has {len(sdp)} bytes; at most {MAX_SDP} are taken.",
            metadata={"limit": str(MAX_SDP)},
        )
    lines = [line.strip() for line in sdp.splitlines()]
    if lines[0] != b"v=0" or not any(line.startswith(b"m=audio ") for line in lines):
        raise errors.InvalidArgument(
            "The offer is no SDP with audio: it begins with 'v=0' and has an 'm=audio' line.",
            metadata={"field": "offer_sdp"},
        )
    if has_channel(sdp) and session.declaration.data_channel == "refuse":
        raise errors.DataChannelRefused(
            f"Session {session.target} takes no data channel: make the offer without "
            "createDataChannel, audio only.",
            metadata={"session_id": session.session_id},
        )
