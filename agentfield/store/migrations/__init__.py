"""Numbered SQL migrations. They expand first and contract a release later."""

from __future__ import annotations

__all__ = ["migrations"]

from importlib import resources


def migrations() -> list[str]:
    """Return the scripts in their order; the schema's version is how many have run."""
    folder = resources.files(__name__)
    names = sorted(f.name for f in folder.iterdir() if f.name.endswith(".sql"))
    return [(folder / name).read_text() for name in names]
