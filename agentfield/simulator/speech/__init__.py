"""Ears and a mouth on this machine: nothing but the extra ``voice-local`` is needed.

async with local_speech() as speech:
    sounds = [sound async for sound in speech.mouth.speak("Where is my order?")]
    write_wav(Path("question.wav"), sounds)
    words = await speech.ears.transcribe(read_wav(Path("question.wav")))
"""

from __future__ import annotations

__all__ = [
    "LocalSpeech",
    "SpeechBusy",
    "SpeechDamaged",
    "SpeechNotInstalled",
    "local_speech",
    "read_wav",
    "word_errors",
    "write_wav",
]

from agentfield.simulator.speech.comparing import word_errors
from agentfield.simulator.speech.files import SpeechDamaged, SpeechNotInstalled
from agentfield.simulator.speech.local import LocalSpeech, local_speech
from agentfield.simulator.speech.wav import read_wav, write_wav
from agentfield.simulator.speech.workers import SpeechBusy
