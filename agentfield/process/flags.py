"""Flags, each with an environment variable of the same name."""

from __future__ import annotations

__all__ = ["ConfigError", "Flags", "comma_separated"]

import argparse
from collections.abc import Mapping
from typing import NoReturn


class ConfigError(ValueError):
    """A setting is wrong; the message says which and what to do."""


class Flags(argparse.ArgumentParser):
    """A command line whose flags can be given as environment variables too; a flag wins."""

    def __init__(self, prog: str, description: str, environment: Mapping[str, str]) -> None:
        super().__init__(
            prog=prog,
            description=f"{description} Every flag can be given as an environment variable: "
            "--http-bind is AGENTFIELD_HTTP_BIND.",
            allow_abbrev=False,
        )
        self._environment = environment

    def error(self, message: str) -> NoReturn:
        """Raise ConfigError."""
        raise ConfigError(f"{message}; see --help.")

    def flag(self, name: str, default: str, text: str) -> None:
        """Add a flag with a text for a value."""
        self.add_argument(name, default=self._given(name) or default, help=text)

    def number(self, name: str, default: float, text: str) -> None:
        """Add a flag with a number for a value, an integer if its default is one."""
        self.add_argument(
            name, type=type(default), default=self._given(name) or str(default), help=text
        )

    def switch(self, name: str, text: str) -> None:
        """Add a flag that is given or not."""
        given = self._given(name) in {"1", "true"}
        self.add_argument(name, action="store_true", default=given, help=text)

    def _given(self, name: str) -> str:
        variable = "AGENTFIELD_" + name.removeprefix("--").replace("-", "_").upper()
        return self._environment.get(variable, "")


def comma_separated(text: str) -> tuple[str, ...]:
    """Return the parts of a comma-separated list."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
