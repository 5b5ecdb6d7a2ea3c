"""Errors in the provider's words."""

from __future__ import annotations

__all__ = ["Refused", "checked_object", "missing", "unknown_parameter", "unsupported"]

from collections.abc import Iterable, Mapping
from typing import Any


class Refused(Exception):
    """What a client sent is refused; becomes an error event or an HTTP error body."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        status: int = 400,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.kind = kind
        self.status = status
        self.retry_after = retry_after

    def body(self) -> dict[str, str | None]:
        """Return the error object as both HTTP bodies and events carry it."""
        return {
            "type": self.kind,
            "code": self.code,
            "message": self.message,
            "param": self.param,
        }


def checked_object(value: object, param: str) -> Mapping[str, Any]:
    """Return an object as it is, nothing as an empty one, and refuse everything else."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Refused(
            f"Invalid type for '{param}': expected an object.", code="invalid_type", param=param
        )
    return value


def missing(param: str) -> Refused:
    """Refuse something that lacks a required parameter."""
    return Refused(
        f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param
    )


def unknown_parameter(param: str) -> Refused:
    """Refuse something with a parameter nobody knows."""
    return Refused(f"Unknown parameter: '{param}'.", code="unknown_parameter", param=param)


def unsupported(param: str, value: object, supported: Iterable[str]) -> Refused:
    """Refuse a value that is none of the supported ones."""
    choices = ", ".join(f"'{choice}'" for choice in supported)
    return Refused(
        f"Invalid value: '{value}'. Supported values are: {choices}.",
        code="invalid_value",
        param=param,
    )
