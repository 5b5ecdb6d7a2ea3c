from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from agentfield.contract.fields import enum_text
from agentfield.v1 import session_pb2 as pb
from agentfield_cli.formats import Format
from agentfield_cli.talk.screen import _ENDS as ENDS
from agentfield_cli.talk.screen import Screen, ending

pytestmark = pytest.mark.unit

CALL = {"call_id": "t", "target": "desk.find", "name": "find"}
TOLD: list[tuple[str, dict[str, Any]]] = [
    ("session.live", {}),
    ("turn.delta", {"item_id": "i1", "delta": "Where"}),
    ("turn.delta", {"item_id": "i1", "delta": " is it?"}),
    ("turn.transcribed", {"item_id": "i1", "text": "Where is it?"}),
    ("tool.called", {**CALL, "item_id": "i2", "arguments": '{"what":\n"it"}'}),
    ("tool.finished", {**CALL, "status": "succeeded", "duration_ms": 7}),
    ("tool.output", {**CALL, "item_id": "i3", "output": '"there"'}),
    ("agent.delta", {"item_id": "i4", "delta": "It is \x1b[31mthere"}),
    ("agent.heard", {"item_id": "i4", "text": "It is \x1b[31mthere", "interrupted": True}),
    ("session.ended", {"reason": "agent_ended", "detail": "All\nsaid."}),
]
LINES = [
    "live      connected",
    "caller    Where is it?",
    'tool      desk.find {"what": "it"}',
    'tool      desk.find succeeded after 7 ms: "there"',
    "agent     It is \\x1b[31mthere  (interrupted)",
    "ended     the agent ended it (All said.)",
]


def show(output: Format = Format.TEXT, *told: tuple[str, dict[str, Any]]) -> None:
    with Screen(output) as screen:
        for number, (type_, data) in enumerate(told or TOLD, 1):
            screen.show(
                pb.SessionEvent(sequence=number, type=type_, data=json.dumps(data).encode())
            )
        screen.note("recorded", "agent.wav")


def test_a_call_is_lines_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    show()

    captured = capsys.readouterr()
    assert captured.out.splitlines() == [*LINES, "recorded  agent.wav"]
    assert captured.err == ""


def test_on_a_terminal_what_is_being_said_is_there_before_it_is_complete(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")

    show()

    out = capsys.readouterr().out
    shown = [out.index(words) for words in ("caller    Where\x1b", *LINES[1:4], "agent     It is")]
    assert shown == sorted(shown)
    assert "\x1b[31m" not in out
    assert all(line in out for line in LINES)


def test_as_data_every_event_is_a_line_of_json(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    show(Format.JSON)

    captured = capfdbinary.readouterr()
    events = [json.loads(line) for line in captured.out.splitlines()]
    assert [(event["type"], event["data"]) for event in events] == TOLD
    assert captured.err == b"note: recorded agent.wav\n"


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (("turn.transcribed", {"item_id": "i", "text": ""}), "caller    (no words)"),
        (("turn.failed", {"item_id": "i"}), "caller    (not written down)"),
        (
            ("agent.heard", {"item_id": "i", "text": "", "interrupted": False}),
            "agent     (nothing was heard)",
        ),
        (("handler.returned", {}), "handler   has returned: the model leads"),
        (("provider.lost", {}), "provider  the link is lost; the call may go on"),
        (
            ("provider.error", {"code": "busy", "message": "Too many."}),
            "provider  reported busy: Too many.",
        ),
        (("response.done", {"status": "failed"}), "agent     (the provider failed to answer)"),
        (("tool.refused", {**CALL, "message": "No."}), "tool      find refused: No."),
        (
            ("tool.output", {**CALL, "output": '{"error":"No."}'}),
            'tool      answered: {"error":"No."}',
        ),
    ],
)
def test_what_goes_wrong_is_told(
    capsys: pytest.CaptureFixture[str], event: tuple[str, dict[str, Any]], line: str
) -> None:
    show(Format.TEXT, event)

    assert capsys.readouterr().out.splitlines()[0] == line


def test_every_reason_to_end_has_words() -> None:
    reasons = {
        enum_text(pb.SessionEndReason.DESCRIPTOR, value) for value in pb.SessionEndReason.values()
    }

    assert reasons - {"unspecified"} == set(ENDS)
    assert ending("agent_lost", "") == "no worker of the agent is left"
    assert ending("one_of_tomorrow", "") == "one_of_tomorrow"
