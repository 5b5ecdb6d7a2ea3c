"""The decorators that declare an agent's functions."""

from __future__ import annotations

__all__ = ["Declarer"]

import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, overload

from agentfield_sdk.functions import DeclaredFunction, declare

F = TypeVar("F", bound=Callable[..., Any])


class Declarer:
    """A decorator, with and without parentheses, that returns the function unchanged.

    The input schema comes from the function's type hints, the description from the first
    paragraph of its docstring. Declare a function idempotent if it may run again when its worker
    was lost. Raises TypeError if it cannot be declared, InvalidDeclaration (a ValueError) if the
    node has a function or session of its name.
    """

    def __init__(
        self,
        kind: str,
        functions: dict[str, DeclaredFunction],
        check_new: Callable[[str], None],
    ) -> None:
        self._kind = kind
        self._functions = functions
        self._check_new = check_new

    @overload
    def __call__(self, name: F, /) -> F: ...

    @overload
    def __call__(
        self,
        name: str | None = None,
        *,
        description: str | None = None,
        tags: Sequence[str] = (),
        idempotent: bool = False,
    ) -> Callable[[F], F]: ...

    def __call__(
        self,
        name: Any = None,
        *,
        description: str | None = None,
        tags: Sequence[str] = (),
        idempotent: bool = False,
    ) -> Any:
        frame = inspect.currentframe()
        caller = frame.f_back if frame else None

        def declared(function: F) -> F:
            one = declare(
                function,
                name=None if callable(name) else name,
                kind=self._kind,
                description=description,
                tags=tuple(tags),
                idempotent=idempotent,
                names=caller.f_locals if caller else {},
            )
            self._check_new(one.name)
            self._functions[one.name] = one
            return function

        return declared(name) if callable(name) else declared
