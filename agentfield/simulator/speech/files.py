"""Where the models are: in packages that carry them, of which no code is run."""

from __future__ import annotations

__all__ = ["Shipped", "SpeechDamaged", "SpeechNotInstalled"]

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_INSTALL = 'pip install "agentfield-sessions[voice-local]"'


class SpeechNotInstalled(RuntimeError):
    """The extra with the models is not there."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} is not installed, without which nothing is heard or spoken: {_INSTALL}"
        )


class SpeechDamaged(RuntimeError):
    """A model is not the one that this was made with."""

    def __init__(self, file: Path) -> None:
        super().__init__(
            f"{file} is not the model that this version was made with; install it again: "
            f"{_INSTALL} --force-reinstall"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """A file in an installed package."""

    package: str
    """As it is installed."""
    module: str
    """As it would be imported."""
    path: str
    sha256: str

    def found(self) -> Path:
        """Return where it is, after a look at every byte of it.

        The lock already says what the packages contain. It says nothing to those who install
        without it, and three of the packages are other people's copies of what they carry. Raises
        SpeechNotInstalled or SpeechDamaged.
        """
        spec = find_spec(self.module)
        places = (spec.submodule_search_locations if spec else None) or []
        for place in places:
            file = Path(place, self.path)
            if file.is_file():
                with file.open("rb") as content:
                    if hashlib.file_digest(content, "sha256").hexdigest() != self.sha256:
                        raise SpeechDamaged(file)
                return file
        raise SpeechNotInstalled(self.package)
