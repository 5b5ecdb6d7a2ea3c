"""What one provider is over one transport, as data."""

from __future__ import annotations

__all__ = ["Profile"]

from dataclasses import dataclass
from typing import Literal

from agentfield.sessions.provider import Capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Everything that sets one provider apart from others of its protocol."""

    name: str
    transport: str
    title: str
    """What messages call it."""
    protocol: Literal["openai_realtime"]
    """Whose wire it speaks."""
    capabilities: Capabilities
    base_url: str
    """Unless the environment says otherwise."""
    base_url_variable: str
    key_variable: str
    offer: Literal["multipart"] = "multipart"
    """How the configuration travels: with the offer, in one request."""
    hang_up: Literal["post"] = "post"
    """How a call is ended: by a POST to its address."""
    offer_timeout_s: float = 15.0
    """From the first attempt to the last byte of the answer."""
    attach_for_s: float = 10.0
    """How long a new call may be unknown to those who attach to it."""
    hang_up_timeout_s: float = 10.0
    ping_s: float = 20.0
    """A link that is silent for so long is pinged; half of it is given for the answer."""
