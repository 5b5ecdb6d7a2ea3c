"""Sessions as existing clients read them."""

from __future__ import annotations

__all__ = ["started"]

from agentfield.v1 import forms_pb2, session_service_pb2
from agentfield_gateway.legacy.asked import Asked

_INSTANCES = "/api/v1/session-instances/"
_OLDER = "/api/v1/sessions/"
"""The family in which starts, offers and tools have one prefix."""


def started(
    response: session_service_pb2.StartSessionResponse, asked: Asked
) -> forms_pb2.StartedForm:
    """Return a session that was started, with addresses of the family it was started by."""
    prefix = _OLDER if asked.template.startswith(_OLDER) else _INSTANCES
    return forms_pb2.StartedForm(
        started=response,
        offer_url=response.offer_url.replace(_INSTANCES, prefix, 1),
        tool_url=response.tool_url.replace(_INSTANCES, prefix, 1),
    )
