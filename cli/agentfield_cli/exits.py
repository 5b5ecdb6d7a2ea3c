"""What ``af`` says and exits with when something fails."""

from __future__ import annotations

__all__ = ["Exit", "exit_code", "explain", "visible"]

from enum import IntEnum

from agentfield.v1.errors import AgentFieldError

_FORBIDDEN = {401, 403}
_CONTROL = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in b"\n\t"
}


class Exit(IntEnum):
    """The exit codes of ``af``."""

    OK = 0
    USAGE = 1
    """The command line could not be understood."""
    WRONG = 2
    """The request was wrong; the same one will fail again."""
    FAILED = 3
    """The control plane could not be reached, did not allow it, or failed, or the work failed."""


def exit_code(error: AgentFieldError) -> Exit:
    """Return the exit code for a failed request or execution."""
    if error.http_status in _FORBIDDEN or error.http_status >= 500:
        return Exit.FAILED
    return Exit.WRONG


def explain(error: AgentFieldError) -> str:
    """Return the line for people that says what failed and why."""
    return f"error: {visible(error.message)} ({error.reason})"


def visible(text: str) -> str:
    """Return the text with its control characters spelled out.

    What functions and agents say is shown on terminals, which obey escape sequences.
    """
    return text.translate(_CONTROL)
