"""Token counts that look like the provider's."""

from __future__ import annotations

__all__ = ["tokens_of", "transcription_usage", "usage"]

from agentfield.simulator.effects import Json
from agentfield.simulator.items import text_of


def tokens_of(text: str) -> int:
    """Return how many tokens a text counts as: one for each word."""
    return len(text.split())


def usage(*, words: int, heard_ms: int, output: list[Json], audio_ms: int) -> Json:
    """Return the usage of a response.

    A token is a word, 100 ms of what the caller said, or 50 ms of what the model says.
    """
    said = sum(tokens_of(text_of(item) or str(item.get("arguments", ""))) for item in output)
    heard, audio = heard_ms // 100, audio_ms // 50
    return {
        "total_tokens": words + heard + said + audio,
        "input_tokens": words + heard,
        "output_tokens": said + audio,
        "input_token_details": {
            "text_tokens": words,
            "audio_tokens": heard,
            "image_tokens": 0,
            "cached_tokens": 0,
            "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": said, "audio_tokens": audio},
    }


def transcription_usage(model: str, text: str, audio_ms: int) -> Json:
    """Return the usage of a transcription, which some models count in seconds."""
    if "whisper" in model:
        return {"type": "duration", "seconds": -(-audio_ms // 1000)}
    words, audio = tokens_of(text), audio_ms // 100
    return {
        "type": "tokens",
        "total_tokens": words + audio,
        "input_tokens": audio,
        "input_token_details": {"text_tokens": 0, "audio_tokens": audio},
        "output_tokens": words,
    }
