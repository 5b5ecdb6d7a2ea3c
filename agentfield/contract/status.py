"""Errors on the wire: ``google.rpc.Status`` with ErrorInfo and RetryInfo, and back.

Source: https://google.aip.dev/193 and ``google/rpc/error_details.proto``.
"""

from __future__ import annotations

__all__ = ["DETAILS_KEY", "ERROR_DETAILS", "error_from_rpc", "error_from_status", "status_of"]

import grpc
from google.rpc import error_details_pb2, status_pb2

from agentfield.v1 import errors

DETAILS_KEY = "grpc-status-details-bin"
"""The trailing metadata key that carries the serialized ``google.rpc.Status``."""

# What a bare status code means when nobody of ours put a reason beside it: grpc itself answered.
_BARE: dict[int, type[errors.AgentFieldError]] = {
    grpc.StatusCode.CANCELLED.value[0]: errors.ServerUnreachable,
    grpc.StatusCode.INVALID_ARGUMENT.value[0]: errors.InvalidArgument,
    grpc.StatusCode.DEADLINE_EXCEEDED.value[0]: errors.DeadlineExceeded,
    grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]: errors.PayloadTooLarge,
    grpc.StatusCode.UNIMPLEMENTED.value[0]: errors.Unimplemented,
    grpc.StatusCode.UNAVAILABLE.value[0]: errors.ServerUnreachable,
    grpc.StatusCode.UNAUTHENTICATED.value[0]: errors.Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED.value[0]: errors.PermissionDenied,
}

# What gRPC says of a server that is reached and not trusted, and what there is to do.
_HANDSHAKES = {
    "certificate has expired": "The control plane's certificate has expired.",
    "CERTIFICATE_VERIFY_FAILED": (
        "The control plane's certificate is not trusted here: AGENTFIELD_TLS_CA must name the file "
        "of the CA that signed it."
    ),
    "Hostname Verification Check failed": (
        "The control plane's certificate is not of the host that its address names: take the name "
        "in the certificate."
    ),
    "WRONG_VERSION_NUMBER": (
        "The control plane does not speak TLS at this address: without TLS it is HOST:PORT alone."
    ),
}


class _HandshakeFailed(errors.ServerUnreachable):
    """A server that is not trusted now will not be in a moment."""

    retryable = False


MAX_MESSAGE = 2048
MAX_METADATA = 256
ERROR_DETAILS = "error_details"
"""The metadata key for what a function said of its failure: JSON, never cut."""


def status_of(error: errors.AgentFieldError) -> status_pb2.Status:
    """Return what goes on the wire for an error.

    Texts are cut: trailers of more than 16 KiB are refused by grpc, and the reason with them.
    """
    status = status_pb2.Status(code=error.code, message=_cut(error.message, MAX_MESSAGE))
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(
            reason=error.reason,
            domain=errors.DOMAIN,
            metadata={
                k: v if k == ERROR_DETAILS else _cut(v, MAX_METADATA)
                for k, v in error.metadata.items()
            },
        )
    )
    if error.retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(int(error.retry_after * 1000))
        status.details.add().Pack(retry)
    return status


def _cut(text: str, most: int) -> str:
    data = text.encode(errors="replace")
    return text if len(data) <= most else data[: most - 3].decode(errors="ignore") + "…"


def error_from_status(status: status_pb2.Status) -> errors.AgentFieldError:
    """Return the error a status stands for; one of an unknown reason by its bare code."""
    info = error_details_pb2.ErrorInfo()
    retry = error_details_pb2.RetryInfo()
    retry_after: float | None = None
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            detail.Unpack(retry)
            retry_after = retry.retry_delay.ToMilliseconds() / 1000
    known = errors.BY_REASON.get(info.reason) if info.domain == errors.DOMAIN else None
    kind = known or _BARE.get(status.code, errors.Internal)
    return kind(status.message, metadata=dict(info.metadata), retry_after=retry_after)


def error_from_rpc(error: grpc.aio.AioRpcError) -> errors.AgentFieldError:
    """Return the error a failed call of grpc.aio stands for."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY:
            raw = value if isinstance(value, bytes) else value.encode()
            return error_from_status(status_pb2.Status.FromString(raw))
    code: int = error.code().value[0]
    details = error.details() or ""
    for sign, message in _HANDSHAKES.items():
        if sign in details:
            return _HandshakeFailed(message)
    return error_from_status(status_pb2.Status(code=code, message=details))
