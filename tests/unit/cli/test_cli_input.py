from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from agentfield.v1.errors import InvalidArgument
from agentfield_cli.payload import read_input, read_text

pytestmark = pytest.mark.unit

_TEXT = b'{ "n": 9007199254740993, "x": 1.10 }\n'


class _Stdin(io.TextIOWrapper):
    def __init__(self, data: bytes, *, terminal: bool = False) -> None:
        super().__init__(io.BytesIO(data))
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def test_no_input_is_an_empty_object() -> None:
    assert read_input(None) == b"{}"


def test_text_passes_untouched() -> None:
    assert read_input(_TEXT.decode()) == _TEXT


def test_a_file_passes_untouched(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_bytes(_TEXT)

    assert read_input(f"@{tmp_path}/in.json") == _TEXT


def test_stdin_passes_untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", _Stdin(_TEXT))

    assert read_input("-") == _TEXT


def test_a_terminal_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", _Stdin(_TEXT, terminal=True))

    with pytest.raises(InvalidArgument, match="stdin is a terminal"):
        read_input("-")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "--in is empty"),
        (" \n", "--in is empty"),
        ("{nope}", "--in is not valid JSON: .*column 2"),
        ('{"a": 1} 2', "--in is not valid JSON: .*column 10"),
        ('{"a": NaN}', "--in is not valid JSON: .*column 7"),
        ("[1]", "--in is not a JSON object"),
        ("7", "--in is not a JSON object"),
        ('{"a": "\udcff"}', "--in is not valid JSON: .*UTF-8"),
    ],
)
def test_bad_text_is_refused_with_a_reason(text: str, complaint: str) -> None:
    with pytest.raises(InvalidArgument, match=complaint):
        read_input(text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"cannot read the file '.*gone': No such file"):
        read_input(f"@{tmp_path}/gone")


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()

    with pytest.raises(InvalidArgument, match=r"The file '.*empty' is empty"):
        read_input(f"@{tmp_path}/empty")


def test_a_flag_of_another_name_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="--metadata is not a JSON object"):
        read_input("[1]", "--metadata")
    with pytest.raises(InvalidArgument, match="--metadata cannot read the file"):
        read_input(f"@{tmp_path}/gone", "--metadata")


def test_text_is_taken_with_every_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\ufeffv=0\r\n\n\r\u00fc"
    (tmp_path / "offer.sdp").write_bytes(text.encode())
    monkeypatch.setattr(sys, "stdin", _Stdin(text.encode()))

    assert [read_text(source, "--sdp") for source in (text, f"@{tmp_path}/offer.sdp", "-")] == (
        [text] * 3
    )


def test_text_that_is_no_utf_8_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", _Stdin(b"v=0\xff"))

    with pytest.raises(InvalidArgument, match="stdin is not UTF-8 at byte 3"):
        read_text("-", "--sdp")
