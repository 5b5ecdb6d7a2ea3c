from __future__ import annotations

import socket
import struct
import wave
from pathlib import Path

import pytest
from support.tones import loudest, write_tone

from agentfield.v1.errors import InvalidArgument
from agentfield_cli.talk import audio
from agentfield_cli.talk.audio import HEARD_RATE, SPOKEN_RATE, Recording, read_speech

pytestmark = pytest.mark.unit

TONE = struct.pack("<h", 1000)


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_wav_file_of_any_rate_and_number_of_channels_is_read(
    tmp_path: Path, rate: int, channels: int
) -> None:
    speech = read_speech(write_tone(tmp_path / "a.wav", ms=500, rate=rate, channels=channels))

    assert len(speech) / 2 / SPOKEN_RATE == pytest.approx(0.5, abs=0.01)
    # A channel alone is as loud as it was, two are as loud as one.
    assert loudest(speech) == pytest.approx(9_000, rel=0.1)


def test_a_wav_file_of_24_bits_is_read(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 3, 16_000, 0, "NONE", ""))
        file.writeframes((4_000 << 8).to_bytes(3, "little") * 16_000)

    speech = read_speech(tmp_path / "a.wav")

    assert loudest(speech[SPOKEN_RATE // 2 : SPOKEN_RATE]) == pytest.approx(4_000, rel=0.05)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is no audio file"),
        (b"Where is my hat?\n" * 50, "it is no audio file|there is no sound in it"),
        (
            b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\xbb\0\0\0\x77\1\0\2\0\x10\0data\0\0\0\0",
            "",
        ),
    ],
)
def test_what_holds_no_sound_cannot_be_said(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "a.wav").write_bytes(content)

    with pytest.raises(InvalidArgument, match=rf"--wav cannot read the file '.*a\.wav': ({why})"):
        read_speech(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("name", "playlist"),
    [
        ("list.wav", "ffconcat version 1.0\nfile other.wav\n"),
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n"),
    ],
)
def test_what_a_file_names_is_not_read(tmp_path: Path, name: str, playlist: str) -> None:
    write_tone(tmp_path / "other.wav")
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        server.setblocking(False)
        (tmp_path / name).write_text(playlist.format(address=f"http://{host}:{port}/other.wav"))

        with pytest.raises(InvalidArgument, match="--wav cannot read the file"):
            read_speech(tmp_path / name)

        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"no\.wav': No such file or directory"):
        read_speech(tmp_path / "no.wav")


def test_what_is_too_long_to_be_said_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio, "_LONGEST", SPOKEN_RATE)

    with pytest.raises(InvalidArgument, match="longer than 10 minutes"):
        read_speech(write_tone(tmp_path / "a.wav", ms=600))


def test_a_recording_is_a_wav_file_that_is_valid_before_it_is_complete(tmp_path: Path) -> None:
    with Recording(tmp_path / "o.wav") as recording:
        recording.hear(TONE * 240, 0)
        recording.hear(TONE * 240, 240)

        with wave.open(str(tmp_path / "o.wav")) as so_far:
            assert so_far.getparams()[:4] == (1, 2, HEARD_RATE, 480)
            assert so_far.readframes(480) == TONE * 480


def test_what_was_not_received_is_silence_in_the_recording(tmp_path: Path) -> None:
    with Recording(tmp_path / "o.wav") as recording:
        recording.hear(TONE * 240, 0)
        recording.hear(TONE * 240, 720)

    assert recording.seconds == pytest.approx(960 / HEARD_RATE)
    with wave.open(str(tmp_path / "o.wav")) as file:
        assert file.readframes(960) == TONE * 240 + bytes(2 * 480) + TONE * 240


def test_a_recording_in_which_nothing_was_heard_is_a_wav_file(tmp_path: Path) -> None:
    with Recording(tmp_path / "o.wav"):
        pass

    with wave.open(str(tmp_path / "o.wav")) as file:
        assert file.getnframes() == 0


def test_a_recording_that_cannot_be_written_is_refused_before_anything_begins(
    tmp_path: Path,
) -> None:
    with pytest.raises(InvalidArgument, match=r"--out cannot write the file .*: Is a directory"):
        Recording(tmp_path)
