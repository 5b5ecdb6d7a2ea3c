"""What becomes of samples on their way into files, out of files, and to other rates."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import pytest
from av import AudioCodecContext, AudioFrame, Packet

from agentfield.simulator.audio import (
    OPUS_RATE,
    Resampler,
    opus_packets,
    pcm_frame,
    read_audio,
    resampled,
    samples_of,
    write_wav,
)
from agentfield.simulator.tone import pcm_tone
from agentfield.simulator.vad import loudness

pytestmark = pytest.mark.unit


def test_what_is_written_to_a_file_is_read_from_it(tmp_path: Path) -> None:
    file = tmp_path / "tone.wav"
    write_wav(file, pcm_tone(300), rate=24_000)
    assert read_audio(file, rate=24_000) == pcm_tone(300)


def test_a_file_is_read_at_the_rate_and_in_the_one_channel_that_are_wanted() -> None:
    stereo = io.BytesIO()
    with wave.open(stereo, "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(48_000)
        samples = pcm_tone(500, rate=48_000)
        out.writeframes(b"".join(samples[n : n + 2] * 2 for n in range(0, len(samples), 2)))
    stereo.seek(0)
    read = read_audio(stereo, rate=16_000)
    assert len(read) == 500 * 16 * 2
    assert loudness(read) == pytest.approx(loudness(samples), rel=0.1)


def test_what_is_no_audio_is_refused() -> None:
    with pytest.raises(ValueError, match="no audio file"):
        read_audio(io.BytesIO(b"words"), rate=16_000)
    with pytest.raises(FileNotFoundError):
        read_audio("/no/such/file.wav", rate=16_000)


def test_samples_keep_their_time_at_another_rate() -> None:
    assert len(resampled(pcm_tone(500), rate=24_000, to=48_000)) == 500 * 48 * 2
    assert resampled(b"abcd", rate=24_000, to=24_000) == b"abcd"


def test_a_stream_gives_all_its_samples_in_the_end() -> None:
    resampler = Resampler(16_000)
    pieces = [resampler.feed(pcm_frame(pcm_tone(20), rate=24_000)) for _ in range(50)]
    pieces.append(resampler.feed(None))
    assert len(b"".join(pieces)) == 1000 * 16 * 2


def test_packets_are_what_a_decoder_of_opus_understands() -> None:
    packets = opus_packets(pcm_tone(400, rate=OPUS_RATE))
    decoder = AudioCodecContext.create("libopus", "r")
    decoder.format, decoder.layout, decoder.sample_rate = "s16", "mono", OPUS_RATE
    frames = [each for packet in packets for each in decoder.decode(Packet(packet))]
    assert all(isinstance(each, AudioFrame) and each.samples == 960 for each in frames)
    assert len(frames) * 20 in range(400, 441)
    assert len(samples_of(frames[10])) == 960 * 2
    assert loudness(samples_of(frames[10])) > 0.1
