"""The words that a recogniser writes as numbers."""

from __future__ import annotations

__all__ = ["Tokens"]

from collections.abc import Iterable, Sequence

_WORD = "▁"
_END = 2
_FIRST_TEXT = 3
_CONTROL = ("<<", ">>")


class Tokens:
    """The vocabulary of the recogniser.

    Its file has the tokens one after the other, each after its length in one or two bytes, seven
    bits in each, the lower ones first.
    """

    begin = 1
    end = _END

    def __init__(self, content: bytes) -> None:
        self._tokens = list(_read(content))

    def __len__(self) -> int:
        return len(self._tokens)

    def text(self, numbers: Sequence[int]) -> str:
        """Return what tokens say; what is no text is left out."""
        texts = (self._tokens[number] for number in numbers if number >= _FIRST_TEXT)
        said = b"".join(text for text in texts if not text.startswith(b"<<ST_"))
        return said.decode("utf-8", "replace").replace(_WORD, " ").strip()


def _read(content: bytes) -> Iterable[bytes]:
    at = 0
    while at < len(content):
        length = content[at]
        at += 1
        if length >= 128:
            length += (content[at] - 1) * 128
            at += 1
        yield content[at : at + length]
        at += length
