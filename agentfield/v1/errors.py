# Generated from proto/agentfield/v1/error_reason.proto by `make generate`. DO NOT EDIT!
"""Every way a request or an execution can fail: one class per ErrorReason.

``AgentFieldError`` is the root; catch it, or the class of one reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

DOMAIN = "agentfield.dev"
"""The domain of every ``google.rpc.ErrorInfo`` of ours."""


class AgentFieldError(Exception):
    """A failure with a reason that programs can rely on.

    ``metadata`` carries the names and ids of the failure for programs; ``retry_after`` is how many
    seconds to wait before the same request may succeed, where that is known.
    """

    reason: ClassVar[str]
    code: ClassVar[int]
    """The number of the gRPC status code."""
    http_status: ClassVar[int]
    retryable: ClassVar[bool]
    category: ClassVar[str] = ""
    """How existing clients sort it, if they have a word for it."""
    word: ClassVar[str] = ""
    """What existing clients look for in place of the message, if they do."""

    def __init__(
        self,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = dict(metadata or {})
        self.retry_after = retry_after


class InvalidArgument(AgentFieldError):
    """A field of the request is missing or malformed; the message names it."""

    reason = "INVALID_ARGUMENT"
    code = 3
    http_status = 400
    retryable = False
    category = "validation"


class Unauthenticated(AgentFieldError):
    """The server accepts keys, and the request carries none or an unknown one."""

    reason = "UNAUTHENTICATED"
    code = 16
    http_status = 401
    retryable = False
    word = "unauthorized"


class PermissionDenied(AgentFieldError):
    """The key is valid and may not do this."""

    reason = "PERMISSION_DENIED"
    code = 7
    http_status = 403
    retryable = False
    category = "permission_denied"
    word = "access_denied"


class ExecutionNotFound(AgentFieldError):
    """There is no such execution, or the key may not see it."""

    reason = "EXECUTION_NOT_FOUND"
    code = 5
    http_status = 404
    retryable = False


class WorkflowNotFound(AgentFieldError):
    """There is no such workflow, or the key may not see it."""

    reason = "WORKFLOW_NOT_FOUND"
    code = 5
    http_status = 404
    retryable = False


class NodeNotFound(AgentFieldError):
    """No node of that name has ever registered."""

    reason = "NODE_NOT_FOUND"
    code = 5
    http_status = 404
    retryable = False
    category = "target_not_found"


class TargetNotFound(AgentFieldError):
    """The node is known and has no function of that name."""

    reason = "TARGET_NOT_FOUND"
    code = 5
    http_status = 404
    retryable = False
    category = "target_not_found"


class RegistrationNotFound(AgentFieldError):
    """The worker's registration is unknown here: register again."""

    reason = "REGISTRATION_NOT_FOUND"
    code = 5
    http_status = 404
    retryable = False


class RequestIdReused(AgentFieldError):
    """The request_id was used before with another request."""

    reason = "REQUEST_ID_REUSED"
    code = 6
    http_status = 409
    retryable = False


class PayloadTooLarge(AgentFieldError):
    """An input, a result or a body is larger than the server accepts. Nothing was stored."""

    reason = "PAYLOAD_TOO_LARGE"
    code = 8
    http_status = 413
    retryable = False


class CallTooDeep(AgentFieldError):
    """Executions are nested deeper than the server allows."""

    reason = "CALL_TOO_DEEP"
    code = 9
    http_status = 409
    retryable = False


class ParentEnded(AgentFieldError):
    """The parent execution was cancelled or timed out: it starts nothing more."""

    reason = "PARENT_ENDED"
    code = 9
    http_status = 409
    retryable = False


class AttemptSuperseded(AgentFieldError):
    """The report is of an attempt that another one has replaced."""

    reason = "ATTEMPT_SUPERSEDED"
    code = 9
    http_status = 409
    retryable = False


class ExecutionFailed(AgentFieldError):
    """The function raised an error. The message is the function's own."""

    reason = "EXECUTION_FAILED"
    code = 10
    http_status = 502
    retryable = False
    category = "agent_error"


class InvalidInput(AgentFieldError):
    """The input does not fit the function's input schema."""

    reason = "INVALID_INPUT"
    code = 3
    http_status = 422
    retryable = False
    category = "agent_error"


class ExecutionTimedOut(AgentFieldError):
    """The execution did not finish within its timeout."""

    reason = "EXECUTION_TIMED_OUT"
    code = 4
    http_status = 504
    retryable = False
    category = "agent_timeout"


class ExecutionCancelled(AgentFieldError):
    """The execution was cancelled."""

    reason = "EXECUTION_CANCELLED"
    code = 1
    http_status = 409
    retryable = False


class AgentLost(AgentFieldError):
    """The worker that ran the execution is gone, and the function is not declared idempotent: it
    may or may not have taken effect.
    """

    reason = "AGENT_LOST"
    code = 10
    http_status = 502
    retryable = False
    category = "agent_unreachable"


class StoreUnavailable(AgentFieldError):
    """The store could not write, for instance because the disk is full. Nothing was stored; try
    again.
    """

    reason = "STORE_UNAVAILABLE"
    code = 14
    http_status = 503
    retryable = True
    category = "internal_error"


class ServerDraining(AgentFieldError):
    """The server is shutting down: it takes nothing on, and those who wait are to ask again. What
    was stored goes on.
    """

    reason = "SERVER_DRAINING"
    code = 14
    http_status = 503
    retryable = True
    category = "control_plane_shutdown"


class ServerUnreachable(AgentFieldError):
    """The control plane cannot be reached."""

    reason = "SERVER_UNREACHABLE"
    code = 14
    http_status = 503
    retryable = True
    category = "internal_error"


class Unimplemented(AgentFieldError):
    """The server has no such rpc."""

    reason = "UNIMPLEMENTED"
    code = 12
    http_status = 501
    retryable = False


class RouteNotFound(AgentFieldError):
    """There is no such REST route."""

    reason = "ROUTE_NOT_FOUND"
    code = 5
    http_status = 404
    retryable = False


class MethodNotAllowed(AgentFieldError):
    """The REST route exists and does not answer this HTTP method."""

    reason = "METHOD_NOT_ALLOWED"
    code = 12
    http_status = 405
    retryable = False


class HostNotAllowed(AgentFieldError):
    """The Host header names a host this gateway does not answer for."""

    reason = "HOST_NOT_ALLOWED"
    code = 7
    http_status = 403
    retryable = False


class OriginNotAllowed(AgentFieldError):
    """The request comes from a page of an origin that is not allowed."""

    reason = "ORIGIN_NOT_ALLOWED"
    code = 7
    http_status = 403
    retryable = False


class DeadlineExceeded(AgentFieldError):
    """The rpc's own deadline passed before the answer. The execution goes on."""

    reason = "DEADLINE_EXCEEDED"
    code = 4
    http_status = 504
    retryable = True
    category = "internal_error"


class Internal(AgentFieldError):
    """Something went wrong inside the control plane; its log has the details."""

    reason = "INTERNAL"
    code = 13
    http_status = 500
    retryable = False
    category = "internal_error"


class SessionNotFound(AgentFieldError):
    """There is no such session, or the key may not see it."""

    reason = "SESSION_NOT_FOUND"
    code = 5
    http_status = 404
    retryable = False


class SessionEnded(AgentFieldError):
    """The session has ended."""

    reason = "SESSION_ENDED"
    code = 9
    http_status = 409
    retryable = False


class SessionActive(AgentFieldError):
    """The session has not ended: end it first."""

    reason = "SESSION_ACTIVE"
    code = 9
    http_status = 409
    retryable = False


class SessionAlreadyConnected(AgentFieldError):
    """The session is connected, or another offer was taken in place of this one."""

    reason = "SESSION_ALREADY_CONNECTED"
    code = 9
    http_status = 409
    retryable = False


class SessionLimitReached(AgentFieldError):
    """There are as many sessions as the target, the caller or the server may have at once."""

    reason = "SESSION_LIMIT_REACHED"
    code = 8
    http_status = 429
    retryable = True
    category = "concurrency_limit"


class UnsupportedSessionTransport(AgentFieldError):
    """The provider does not have this transport, or one of the two is not known."""

    reason = "UNSUPPORTED_SESSION_TRANSPORT"
    code = 3
    http_status = 400
    retryable = False


class TransportNotServed(AgentFieldError):
    """The provider has the transport, and this server does not serve the pair."""

    reason = "TRANSPORT_NOT_SERVED"
    code = 12
    http_status = 501
    retryable = False


class NodeUnavailable(AgentFieldError):
    """No worker is there: the session declares a handler and none is connected that runs it, or
    the node's workers are called over HTTP and none can be reached.
    """

    reason = "NODE_UNAVAILABLE"
    code = 14
    http_status = 503
    retryable = True
    category = "node_unavailable"
    word = "node_unavailable"


class ToolNotAllowed(AgentFieldError):
    """The tool is not one of the session's tools. Nothing ran."""

    reason = "TOOL_NOT_ALLOWED"
    code = 7
    http_status = 403
    retryable = False


class UnknownToolCall(AgentFieldError):
    """The provider reported no such tool call."""

    reason = "UNKNOWN_TOOL_CALL"
    code = 5
    http_status = 404
    retryable = False


class HandlerSuperseded(AgentFieldError):
    """A newer attempt of the handler has taken over."""

    reason = "HANDLER_SUPERSEDED"
    code = 9
    http_status = 409
    retryable = False


class Unsupported(AgentFieldError):
    """The provider cannot do this; the message says what it can."""

    reason = "UNSUPPORTED"
    code = 12
    http_status = 501
    retryable = False


class DataChannelRefused(AgentFieldError):
    """The session takes no offer with a data channel."""

    reason = "DATA_CHANNEL_REFUSED"
    code = 3
    http_status = 400
    retryable = False


class ProviderFailed(AgentFieldError):
    """The provider refused or could not be reached."""

    reason = "PROVIDER_FAILED"
    code = 10
    http_status = 502
    retryable = False


class ProviderKeyMissing(AgentFieldError):
    """The server has no key for the provider."""

    reason = "PROVIDER_KEY_MISSING"
    code = 9
    http_status = 502
    retryable = False


class RateLimited(AgentFieldError):
    """The caller makes more requests than the server takes of one caller."""

    reason = "RATE_LIMITED"
    code = 8
    http_status = 429
    retryable = True
    category = "concurrency_limit"


class StartTokenExpired(AgentFieldError):
    """The start token was good and is so no more: whoever gave it can give another. A token that
    expired more than a day ago is unknown.
    """

    reason = "START_TOKEN_EXPIRED"
    code = 16
    http_status = 401
    retryable = False


class StartTokenUsedUp(AgentFieldError):
    """The start token has started as many sessions as it may."""

    reason = "START_TOKEN_USED_UP"
    code = 7
    http_status = 403
    retryable = False


BY_REASON: Mapping[str, type[AgentFieldError]] = {
    "INVALID_ARGUMENT": InvalidArgument,
    "UNAUTHENTICATED": Unauthenticated,
    "PERMISSION_DENIED": PermissionDenied,
    "EXECUTION_NOT_FOUND": ExecutionNotFound,
    "WORKFLOW_NOT_FOUND": WorkflowNotFound,
    "NODE_NOT_FOUND": NodeNotFound,
    "TARGET_NOT_FOUND": TargetNotFound,
    "REGISTRATION_NOT_FOUND": RegistrationNotFound,
    "REQUEST_ID_REUSED": RequestIdReused,
    "PAYLOAD_TOO_LARGE": PayloadTooLarge,
    "CALL_TOO_DEEP": CallTooDeep,
    "PARENT_ENDED": ParentEnded,
    "ATTEMPT_SUPERSEDED": AttemptSuperseded,
    "EXECUTION_FAILED": ExecutionFailed,
    "INVALID_INPUT": InvalidInput,
    "EXECUTION_TIMED_OUT": ExecutionTimedOut,
    "EXECUTION_CANCELLED": ExecutionCancelled,
    "AGENT_LOST": AgentLost,
    "STORE_UNAVAILABLE": StoreUnavailable,
    "SERVER_DRAINING": ServerDraining,
    "SERVER_UNREACHABLE": ServerUnreachable,
    "UNIMPLEMENTED": Unimplemented,
    "ROUTE_NOT_FOUND": RouteNotFound,
    "METHOD_NOT_ALLOWED": MethodNotAllowed,
    "HOST_NOT_ALLOWED": HostNotAllowed,
    "ORIGIN_NOT_ALLOWED": OriginNotAllowed,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "INTERNAL": Internal,
    "SESSION_NOT_FOUND": SessionNotFound,
    "SESSION_ENDED": SessionEnded,
    "SESSION_ACTIVE": SessionActive,
    "SESSION_ALREADY_CONNECTED": SessionAlreadyConnected,
    "SESSION_LIMIT_REACHED": SessionLimitReached,
    "UNSUPPORTED_SESSION_TRANSPORT": UnsupportedSessionTransport,
    "TRANSPORT_NOT_SERVED": TransportNotServed,
    "NODE_UNAVAILABLE": NodeUnavailable,
    "TOOL_NOT_ALLOWED": ToolNotAllowed,
    "UNKNOWN_TOOL_CALL": UnknownToolCall,
    "HANDLER_SUPERSEDED": HandlerSuperseded,
    "UNSUPPORTED": Unsupported,
    "DATA_CHANNEL_REFUSED": DataChannelRefused,
    "PROVIDER_FAILED": ProviderFailed,
    "PROVIDER_KEY_MISSING": ProviderKeyMissing,
    "RATE_LIMITED": RateLimited,
    "START_TOKEN_EXPIRED": StartTokenExpired,
    "START_TOKEN_USED_UP": StartTokenUsedUp,
}
