"""What is computed with recorded sound, models apart."""

from __future__ import annotations

import hashlib
import math
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from av import AudioCodecContext, CodecContext, Packet

from agentfield.simulator.senses import Sound
from agentfield.simulator.speech import SpeechDamaged, SpeechNotInstalled, read_wav, write_wav
from agentfield.simulator.speech.files import Shipped
from agentfield.simulator.speech.packets import opus
from agentfield.simulator.speech.resampling import Samples, as_pcm, resampled, samples
from agentfield.simulator.speech.tokens import Tokens
from agentfield.simulator.speech.utterance import spans
from agentfield.simulator.tone import pcm_tone

pytestmark = pytest.mark.unit


def tone(hertz: int, *, rate: int, seconds: float = 0.5) -> Samples:
    """Return a tone that swells and fades, as all sound does that begins and ends."""
    time = np.arange(round(rate * seconds)) / rate
    swell = np.sin(np.pi * time / seconds) ** 2
    sound: Samples = (0.5 * swell * np.sin(2 * np.pi * hertz * time)).astype(np.float32)
    return sound


@pytest.mark.parametrize(
    ("rate", "to"), [(22_050, 48_000), (48_000, 24_000), (24_000, 16_000), (44_100, 16_000)]
)
def test_sound_at_another_rate_is_the_same_sound(rate: int, to: int) -> None:
    expected = tone(440, rate=to)
    actual = resampled(tone(440, rate=rate), rate=rate, to=to)
    assert len(actual) == len(expected)
    assert np.abs(actual - expected).max() < 0.001


def test_what_a_rate_cannot_hold_is_left_out() -> None:
    assert np.abs(resampled(tone(10_000, rate=48_000), rate=48_000, to=16_000)).max() < 0.001


@pytest.mark.parametrize("length", [0, 1, 147, 1000, 22_051])
def test_no_sample_is_lost(length: int) -> None:
    sound = np.zeros(length, np.float32)
    assert len(resampled(sound, rate=22_050, to=48_000)) == math.ceil(length * 48_000 / 22_050)


def test_samples_go_through_bytes_and_back() -> None:
    sound = np.array([0, 0.5, -0.5, 1.5, -1.5], np.float32)
    assert samples(as_pcm(sound)) == pytest.approx([0, 0.5, -0.5, 1, -1], abs=1e-4)
    assert len(samples(b"\0\0\0")) == 1


def test_packets_hold_the_sound() -> None:
    pcm = pcm_tone(130, rate=48_000)
    packets = opus(pcm)
    decoder = CodecContext.create("libopus", "r")
    assert isinstance(decoder, AudioCodecContext)
    decoder.sample_rate = 48_000
    decoder.layout = "mono"
    frames = [frame for packet in packets for frame in decoder.decode(Packet(packet))]
    assert len(packets) == 7  # of 20 ms, the last one filled up
    assert sum(Fraction(frame.samples, 48) for frame in frames) == 140
    loudest = max(np.abs(frame.to_ndarray()).max() for frame in frames)
    assert loudest > 0.1 * (32768 if frames[0].format.name.startswith("s16") else 1)


@pytest.mark.parametrize(
    ("speech", "expected"),
    [
        ("..........", []),
        ("....x.....", []),  # a click
        ("...xxx....", [(2, 7)]),
        ("xx........", [(0, 3)]),
        ("........xx", [(7, 10)]),
        ("xx..xx....", [(0, 7)]),  # a pause that the padding fills
        ("xx....xx..", [(0, 3), (5, 9)]),
        ("x...x.....", []),
    ],
)
def test_speech_is_found_in_a_recording(speech: str, expected: list[tuple[int, int]]) -> None:
    probabilities = [0.9 if sign == "x" else 0.1 for sign in speech]
    assert spans(probabilities, padding=1, most=100) == expected


def test_long_speech_is_cut_where_there_is_least_of_it() -> None:
    probabilities = [0.9] * 7 + [0.6] + [0.9] * 8 + [0.55] + [0.9] * 3
    assert spans(probabilities, padding=1, most=10) == [(0, 7), (7, 16), (16, 20)]


def test_tokens_are_read_with_their_lengths() -> None:
    long = b"x" * 200
    names = [b"<unk>", b"<s>", b"</s>", b"\xe2\x96\x81Caf", b"\xc3", b"\xa9", long, b"<<ST_1>>"]
    sizes = [bytes([len(n)]) if len(n) < 128 else bytes([len(n) % 128 + 128, 1]) for n in names]
    tokens = Tokens(b"".join(size + name for size, name in zip(sizes, names, strict=True)))
    assert len(tokens) == len(names)
    assert tokens.text([1, 3, 4, 5, 7, 2]) == "Café"
    assert tokens.text([6]) == "x" * 200


def sound(pcm: bytes) -> Sound:
    return Sound(text="", pcm=pcm, packets=(), ms=len(pcm) // 48)


def test_a_wav_file_has_the_wanted_rate_and_silence(tmp_path: Path) -> None:
    file = tmp_path / "said.wav"
    write_wav(
        file, [sound(pcm_tone(300)), sound(pcm_tone(200))], rate=48_000, before_ms=500, after_ms=250
    )
    with wave.open(str(file)) as written:
        assert written.getparams()[:4] == (1, 2, 48_000, 48_000 * 1250 // 1000)
        assert not any(written.readframes(24_000))
        assert any(written.readframes(2_400))
    assert len(read_wav(file, rate=16_000)) == 1250 * 16 * 2


def test_channels_are_mixed_and_other_formats_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.wav"
    with wave.open(str(file), "wb") as stereo:
        stereo.setnchannels(2)
        stereo.setsampwidth(2)
        stereo.setframerate(16_000)
        stereo.writeframes(np.array([[1000, 3000]] * 160, "<i2").tobytes())
    assert set(np.frombuffer(read_wav(file), "<i2").tolist()) == {2000}
    with wave.open(str(file), "wb") as fine:
        fine.setnchannels(1)
        fine.setsampwidth(3)
        fine.setframerate(16_000)
        fine.writeframes(bytes(30))
    with pytest.raises(ValueError, match="samples of 24 bits"):
        read_wav(file)


def test_a_model_is_looked_at_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "some_model_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('its code must not run')")
    (package / "model.bin").write_bytes(b"model")
    monkeypatch.syspath_prepend(tmp_path)
    known = hashlib.sha256(b"model").hexdigest()
    shipped = Shipped(package="some", module=package.name, path="model.bin", sha256=known)
    assert shipped.found() == package / "model.bin"
    (package / "model.bin").write_bytes(b"another")
    with pytest.raises(SpeechDamaged, match="install it again"):
        shipped.found()
    (package / "model.bin").unlink()
    with pytest.raises(SpeechNotInstalled, match=r"agentfield-sessions\[voice-local\]"):
        shipped.found()


def test_a_package_that_is_not_installed_is_named() -> None:
    missing = Shipped(package="no-such-thing", module="no_such_thing", path="x", sha256="")
    with pytest.raises(SpeechNotInstalled, match="no-such-thing is not installed"):
        missing.found()
