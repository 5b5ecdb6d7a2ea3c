"""Where in a recording somebody speaks."""

from __future__ import annotations

__all__ = ["spans"]

from collections.abc import Sequence

_SPEECH = 0.5
_LEAST = 2
"""Pieces of speech a span must have; less is a click or a breath."""


def spans(probabilities: Sequence[float], *, padding: int, most: int) -> list[tuple[int, int]]:
    """Return from where to where there is speech, by how likely each piece of a recording is it.

    Begin and end are numbers of pieces; the end is not part of the span. Speech keeps so many
    pieces around it as padding, and spans that touch then are one. No span is longer than ``most``
    pieces: longer ones are cut where speech is least likely, in their second half.
    """
    found: list[tuple[int, int]] = []
    speech = [at for at, probability in enumerate(probabilities) if probability >= _SPEECH]
    for at in speech:
        begin, end = max(0, at - padding), min(len(probabilities), at + 1 + padding)
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    kept = [
        (begin, end)
        for begin, end in found
        if sum(probability >= _SPEECH for probability in probabilities[begin:end]) >= _LEAST
    ]
    return [part for span in kept for part in _cut(span, probabilities, most)]


def _cut(span: tuple[int, int], probabilities: Sequence[float], most: int) -> list[tuple[int, int]]:
    begin, end = span
    if end - begin <= most:
        return [span]
    at = min(range(begin + most // 2, begin + most), key=probabilities.__getitem__)
    return [(begin, at), *_cut((at, end), probabilities, most)]
