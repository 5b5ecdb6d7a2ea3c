"""Who may use the simulator: an API key, and the client secrets made with it."""

from __future__ import annotations

__all__ = ["Key", "Keys"]

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agentfield.simulator.effects import Json
from agentfield.simulator.ids import new_id
from agentfield.simulator.refusals import Refused, missing, unsupported
from agentfield.simulator.settings import new_session

_SHORTEST, _USUAL, _LONGEST = 10, 600, 7200
_SUBPROTOCOL = "openai-insecure-api-key."


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What a request came with."""

    value: str
    session: Json | None = None
    """The session a client secret was made for; None for API keys."""
    expired: bool = False


class Keys:
    """Knows the API key, or lets any pass if there is none, and issues client secrets."""

    def __init__(self, api_key: str | None, clock: Callable[[], float] = time.time) -> None:
        self._api_key = api_key
        self._clock = clock
        self._secrets: dict[str, tuple[Json, float]] = {}

    def check(self, authorization: str, subprotocols: str = "") -> Key:
        """Return the key of a request, or refuse it."""
        value = authorization.removeprefix("Bearer ").strip()
        for each in subprotocols.split(","):
            if each.strip().startswith(_SUBPROTOCOL):
                value = each.strip().removeprefix(_SUBPROTOCOL)
        if not value:
            raise _unauthorized("Missing bearer authentication in header", None)
        if value in self._secrets:
            session, expires_at = self._secrets[value]
            return Key(value=value, session=session, expired=self._clock() >= expires_at)
        if value.startswith("ek_") or not self._is_api_key(value):
            raise _unauthorized("Incorrect API key provided.", "invalid_api_key")
        return Key(value=value)

    def issue(self, key: Key, request: dict[str, Any]) -> Json:
        """Return a new client secret for a session."""
        if key.session is not None:
            raise _unauthorized("A client secret cannot make client secrets.", None)
        expires_after = request.get("expires_after") or {}
        anchor = expires_after.get("anchor", "created_at")
        if anchor != "created_at":
            raise unsupported("expires_after.anchor", anchor, ["created_at"])
        seconds = expires_after.get("seconds", _USUAL)
        if not isinstance(seconds, int) or not _SHORTEST <= seconds <= _LONGEST:
            raise Refused(
                f"Invalid 'expires_after.seconds': must be between {_SHORTEST} and {_LONGEST}.",
                code="invalid_value",
                param="expires_after.seconds",
            )
        wanted = request.get("session")
        if not isinstance(wanted, dict):
            raise missing("session")
        value, expires_at = new_id("ek"), int(self._clock()) + seconds
        session = new_session(wanted, session_id=new_id("sess"), model=None, expires_at=0)
        self._secrets[value] = (wanted, expires_at)
        return {"value": value, "expires_at": expires_at, "session": session}

    def expire(self) -> None:
        """Let the time of all client secrets be over."""
        self._secrets = {value: (session, 0) for value, (session, _) in self._secrets.items()}

    def _is_api_key(self, value: str) -> bool:
        if self._api_key is None:
            return True
        return hmac.compare_digest(value.encode(), self._api_key.encode())


def _unauthorized(message: str, code: str | None) -> Refused:
    return Refused(message, code=code, status=401)
