from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.tones import write_tone
from unit.cli.scripted_plane import Af, Plane

from agentfield.v1 import errors
from agentfield.v1 import session_service_pb2 as pb

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("missing", ["aiortc", "av"])
def test_the_missing_extra_is_named(
    bare_af: Af, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    for name in [name for name in sys.modules if name.startswith("agentfield_cli.talk")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)

    ran = bare_af("session", "talk", "desk.voice", "--wav", "a.wav")

    assert (ran.code, ran.out) == (1, "")
    assert ran.err == 'error: this needs an extra: pip install "agentfield-sessions[talk]"\n'


def test_who_speaks_without_the_extra_for_microphones_is_told_its_name(
    af: Af, plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "agentfield_cli.talk.microphone", raising=False)
    monkeypatch.setitem(sys.modules, "miniaudio", None)

    ran = af("session", "talk", "desk.voice")

    assert ran.code == 1
    assert ran.err == 'error: this needs an extra: pip install "agentfield-sessions[microphone]"\n'
    assert plane.requests("StartSession") == []


def test_other_commands_do_not_load_what_calls_are_made_with() -> None:
    program = (
        "import sys, agentfield_cli.app\n"
        "print([name for name in ('av', 'aiortc', 'miniaudio') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert ran.stdout == b"[]\n"


@pytest.mark.parametrize("words", [["--voice", "ash"], ["--model", "m"], ["--metadata", "{}"]])
def test_a_session_that_was_started_cannot_be_told_how_to_start(
    af: Af, plane: Plane, tmp_path: Path, words: list[str]
) -> None:
    speech = str(write_tone(tmp_path / "a.wav"))

    ran = af("session", "talk", "sess_1", "--wav", speech, *words)

    assert ran.code == 1
    assert "a session that was started has its model, voice and metadata" in ran.err


def test_a_start_carries_what_was_asked_for_and_is_told_when_it_fails(
    af: Af, plane: Plane, tmp_path: Path
) -> None:
    plane.answers("StartSession", errors.TargetNotFound("session not registered"))
    speech = str(write_tone(tmp_path / "a.wav"))

    ran = af(
        *("session", "talk", "desk.voice", "--wav", speech, "--out", str(tmp_path / "o.wav")),
        *("--voice", "ash", "--model", "m", "--metadata", '{"customer": "Ada"}'),
    )

    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: session not registered (TARGET_NOT_FOUND)\n"
    [request] = plane.requests("StartSession")
    assert isinstance(request, pb.StartSessionRequest)
    assert (request.target, request.voice, request.model) == ("desk.voice", "ash", "m")
    assert request.metadata == b'{"customer": "Ada"}'
