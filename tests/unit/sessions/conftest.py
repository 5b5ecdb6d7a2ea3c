"""What comes between a conversation and who goes on with it."""

from __future__ import annotations

from typing import Any

import pytest
from unit.sessions.away import restarted, unlinked


@pytest.fixture(params=[restarted, unlinked])
def away(request: pytest.FixtureRequest) -> Any:
    """Return what comes after nobody listened."""
    return request.param
