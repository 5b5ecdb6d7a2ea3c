"""AgentField: build agents with ``from agentfield import Agent``.

The names below come from the SDK on first use, so that importing this package stays cheap and the
control plane, which lives here too, never loads the SDK.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

__all__ = [
    "Agent",
    "AgentFieldError",
    "Client",
    "RealtimeSession",
    "SessionEnded",
    "SessionTransportError",
    "SessionTurn",
    "Speech",
]

# gRPC reads it when it is imported. Unless it is told otherwise, it would tell of every failed TLS
# handshake among our logs, in lines of its own.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

if TYPE_CHECKING:
    from agentfield_sdk import (
        Agent,
        AgentFieldError,
        Client,
        RealtimeSession,
        SessionEnded,
        SessionTransportError,
        SessionTurn,
        Speech,
    )


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'agentfield' has no attribute '{name}'")
    import agentfield_sdk

    return getattr(agentfield_sdk, name)
