"""What an answer may depend on besides the response."""

from __future__ import annotations

__all__ = ["Asked"]

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that was understood."""

    template: str
    """Of the route that it came by, for instance ``/api/v1/sessions/{target}/start``."""
    request: Any
    """The rpc's request."""
