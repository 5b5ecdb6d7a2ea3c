"""Flags, each with an environment variable of the same name."""

from __future__ import annotations

__all__ = ["ConfigError", "Flags", "comma_separated", "read_origins"]

import argparse
import math
from collections.abc import Mapping
from typing import NoReturn

_ORIGINS = "http://localhost:3000,http://localhost:5173"
"""Where pages are served from while they are made: tools for that take these ports."""


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

    def flag(self, name: str, default: str, metavar: str, text: str) -> None:
        """Add a flag with a text for a value."""
        value = self._given(name) or default
        shown = f"{text} (default: {default})" if default else text
        self.add_argument(name, default=value, metavar=metavar, help=shown)

    def origins(self) -> None:
        """Add the flag for whose pages may call; ``read_origins`` reads its value."""
        text = "whose pages may call the gateway, comma separated; 'none': its own alone"
        self.flag("--cors-origins", _ORIGINS, "ORIGINS", text)

    def number(self, name: str, default: float, metavar: str, text: str, *, most: float) -> None:
        """Add a flag with a number above zero for a value, an integer if its default is one."""
        kind = type(default)

        def parse(value: str) -> float:
            number = kind(value)
            if not (math.isfinite(number) and 0 < number <= most):
                raise argparse.ArgumentTypeError(f"must be above 0 and at most {most:g}: {value}")
            return number

        self.add_argument(
            name,
            type=parse,
            default=self._given(name) or str(default),
            metavar=metavar,
            help=f"{text} (default: {default:g})"
            if kind is float
            else f"{text} (default: {default})",
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


def read_origins(text: str) -> tuple[str, ...]:
    """Return the origins of a text like ``--cors-origins``; none for ``none``."""
    return () if text.strip().lower() == "none" else comma_separated(text)
