"""Errors that task groups wrap."""

from __future__ import annotations

__all__ = ["sole_error"]


def sole_error(error: BaseException) -> BaseException:
    """Return the error itself, or the one error of a group of one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
