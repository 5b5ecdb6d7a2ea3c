"""Failures of providers in our words: never theirs, which may hold what people said."""

from __future__ import annotations

__all__ = ["failure", "is_passing", "refusal"]

import json
import re
from collections.abc import Mapping

from agentfield.providers.profile import Profile
from agentfield.sessions.provider import ProviderRefused
from agentfield.v1.errors import ProviderFailed

_BOUNDARY = "control-plane -> realtime provider"
_WORD = re.compile(r"[\w.:-]{1,128}", re.ASCII)
_SECONDS = re.compile(r"\d{1,6}(\.\d{1,3})?", re.ASCII)
_UNSENT = "unreachable"
MAX_BODY = 4096


def failure(profile: Profile, code: str, what: str) -> ProviderFailed:
    """Return the failure of a request that got no answer, or none that makes sense.

    ``code`` is ``unreachable`` if the request was certainly not sent.
    """
    return ProviderFailed(
        f"{profile.title} realtime call failed: {what}.", metadata=_facts(profile, code=code)
    )


def refusal(
    profile: Profile, status: int, headers: Mapping[str, str], *, body: bytes = b"", code: str = ""
) -> ProviderFailed:
    """Return the failure that an HTTP answer tells of; its message has only the error's code.

    Its metadata has ``provider``, ``boundary`` and ``status``, and ``code`` and ``request_id`` as
    far as they are known.
    """
    code = code or _code_of(body)
    facts = _facts(
        profile, status=str(status), code=code, request_id=_word(headers.get("x-request-id"))
    )
    message = f"{profile.title} realtime call failed ({status})"
    wait = headers.get("Retry-After", "")
    refused = ProviderRefused(
        f"{message}: {code}." if code else f"{message}.",
        metadata=facts,
        retry_after=float(wait) if _SECONDS.fullmatch(wait) else None,
    )
    refused.body = body[:MAX_BODY].decode(errors="replace")
    return refused


def is_passing(failed: ProviderFailed) -> bool:
    """Return whether the same request may succeed soon: limited, failed over there, or unsent."""
    status = failed.metadata.get("status", "")
    return status == "429" or status.startswith("5") or failed.metadata.get("code") == _UNSENT


def _facts(profile: Profile, **facts: str) -> dict[str, str]:
    known = {name: value for name, value in facts.items() if value}
    return {"provider": profile.name, "boundary": _BOUNDARY} | known


def _code_of(body: bytes) -> str:
    try:
        answer = json.loads(body)
    except ValueError:
        return ""
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        return ""
    return _word(error.get("code")) or _word(error.get("type"))


def _word(value: object) -> str:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""
