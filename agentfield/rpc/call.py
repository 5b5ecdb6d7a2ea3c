"""The call that is being served: who makes it, and where it says it belongs."""

from __future__ import annotations

__all__ = ["Call", "Context", "current_call"]

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import grpc

from agentfield.executions.submission import Claims
from agentfield.identity import ANYONE, Caller
from agentfield.v1 import errors

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Facts of one call."""

    caller: Caller = ANYONE
    claims: Claims = field(default_factory=Claims)


current_call: ContextVar[Call] = ContextVar("current_call")
"""Set by the interceptors for the task that serves the call."""


def metadata_of(context: Context) -> Mapping[str, str]:
    """Return the call's text metadata; of a repeated key the last value counts."""
    pairs = context.invocation_metadata() or ()
    return {key: value for key, value in pairs if isinstance(value, str)}


def claims_of(metadata: Mapping[str, str]) -> Claims:
    """Return what the metadata says of where the call belongs.

    ``x-workflow-id`` is a synonym of ``x-run-id``. Raises InvalidArgument.
    """
    run_id, synonym = metadata.get("x-run-id", ""), metadata.get("x-workflow-id", "")
    if run_id and synonym and run_id != synonym:
        raise errors.InvalidArgument(
            "The metadata x-run-id and x-workflow-id mean the same thing and differ.",
            metadata={"field": "run_id"},
        )
    return Claims(
        parent_execution_id=metadata.get("x-parent-execution-id", ""),
        execution_id=metadata.get("x-execution-id", ""),
        run_id=run_id or synonym,
        session_id=metadata.get("x-session-id", ""),
        actor_id=metadata.get("x-actor-id", ""),
        traceparent=metadata.get("traceparent", ""),
    )


def secret_of(metadata: Mapping[str, str]) -> str:
    """Return the key the caller shows; empty for none. Raises Unauthenticated for another scheme."""
    if secret := metadata.get("x-api-key", ""):
        return secret
    authorization = metadata.get("authorization", "")
    scheme, _, secret = authorization.partition(" ")
    if authorization and scheme.lower() != "bearer":
        raise errors.Unauthenticated("The authorization must be 'Bearer <key>'.")
    return secret.strip()
