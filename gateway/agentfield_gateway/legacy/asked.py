"""What an answer may depend on besides the response."""

from __future__ import annotations

__all__ = ["Asked"]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that was understood."""

    template: str
    """Of the route that it came by, for instance ``/api/v1/sessions/{target}/start``."""
    request: Any
    """The rpc's request."""
    query: Mapping[str, str]
    """Query parameters that are not the request's: those that the form names."""
