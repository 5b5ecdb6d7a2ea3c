"""Token counts that look like the provider's."""

from __future__ import annotations

__all__ = ["transcription_usage", "usage"]

from agentfield.simulator.effects import Json
from agentfield.simulator.items import text_of


def usage(output: list[Json], audio_ms: int) -> Json:
    """Return the usage of a response: a token a word, and one for 50 ms of speech."""
    words = sum(len((text_of(item) or str(item.get("arguments", ""))).split()) for item in output)
    audio = audio_ms // 50
    return {
        "total_tokens": words + audio,
        "input_tokens": 0,
        "output_tokens": words + audio,
        "input_token_details": {
            "text_tokens": 0,
            "audio_tokens": 0,
            "image_tokens": 0,
            "cached_tokens": 0,
            "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": words, "audio_tokens": audio},
    }


def transcription_usage(model: str, text: str, audio_ms: int) -> Json:
    """Return the usage of a transcription, which some models count in seconds."""
    if "whisper" in model:
        return {"type": "duration", "seconds": -(-audio_ms // 1000)}
    words, audio = len(text.split()), audio_ms // 100
    return {
        "type": "tokens",
        "total_tokens": words + audio,
        "input_tokens": audio,
        "input_token_details": {"text_tokens": 0, "audio_tokens": audio},
        "output_tokens": words,
    }
