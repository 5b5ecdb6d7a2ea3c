"""Functions as a node declares them: a name, schemas, and how to call them with JSON."""

from __future__ import annotations

__all__ = ["DeclaredFunction", "InputRefused", "declare"]

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, get_type_hints

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticSerializationError

from agentfield_sdk.threads import in_thread

AnyFunction = Callable[..., Any]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")


class _Schema(GenerateJsonSchema):
    # A default that JSON cannot say is the function's own business.
    ignored_warning_kinds = frozenset({"skipped-choice", "non-serializable-default"})  # type: ignore[assignment]


class InputRefused(Exception):
    """The input does not fit the function's parameters; the message names those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredFunction:
    """A reasoner or skill."""

    name: str
    kind: str
    """``reasoner`` or ``skill``."""
    description: str
    tags: tuple[str, ...]
    idempotent: bool
    function: AnyFunction
    parameters: Mapping[str, str]
    """The parameter each field of the input model stands for."""
    input: type[BaseModel]
    output: TypeAdapter[Any]

    @property
    def input_schema(self) -> bytes:
        """The JSON Schema of its input, properties in the order of its parameters."""
        return orjson.dumps(self.input.model_json_schema(schema_generator=_Schema))

    @property
    def output_schema(self) -> bytes:
        """The JSON Schema of its result."""
        schema = self.output.json_schema(mode="serialization", schema_generator=_Schema)
        return orjson.dumps(schema)

    async def run(self, data: bytes) -> bytes:
        """Call the function with a JSON object and return its result as JSON.

        Raises InputRefused before it is called, TypeError if the result is nothing that JSON can
        say, and whatever the function raises.
        """
        arguments = self._arguments(data)
        if inspect.iscoroutinefunction(self.function):
            value = await self.function(**arguments)
        else:
            value = await in_thread(partial(self.function, **arguments))
            if isinstance(value, Awaitable):
                value = await value
        try:
            return self.output.dump_json(value, by_alias=True, warnings="none")
        except PydanticSerializationError as error:
            raise TypeError(
                f"The result of '{self.name}' cannot be written as JSON: {error}"
            ) from None

    def _arguments(self, data: bytes) -> dict[str, Any]:
        try:
            model = self.input.model_validate_json(data or b"{}")
        except ValidationError as error:
            raise InputRefused(_explain(error)) from None
        given = {name: getattr(model, field) for field, name in self.parameters.items()}
        return given | (model.model_extra or {})


SHOWN = 5
"""How many of the ways in which an input does not fit are told."""


def _explain(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    parts = [f"{'.'.join(map(str, one['loc'])) or 'input'}: {one['msg']}" for one in found[:SHOWN]]
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"The input does not fit: {'; '.join(parts)}{more}."


def declare(
    function: AnyFunction,
    *,
    name: str | None,
    kind: str,
    description: str | None = None,
    tags: tuple[str, ...] = (),
    idempotent: bool = False,
    names: Mapping[str, Any] | None = None,
) -> DeclaredFunction:
    """Derive a declaration from a function's signature, type hints and docstring.

    ``names`` are local names its type hints may use. Raises TypeError that says which parameter
    cannot be declared, and why.
    """
    label = name or function.__name__
    if not _NAME.fullmatch(label):
        raise ValueError(
            f"'{label}' cannot be a function's name: letters, digits, _ . and -, no digit first, "
            "at most 128. Give one with name=."
        )
    hints = _hints(function, label, names)
    parameters = list(inspect.signature(function).parameters.values())
    named = [p for p in parameters if p.kind is not p.VAR_KEYWORD]
    # The alias is the true name; a field of that name could clash with pydantic's own.
    fields = {f"p{n}": _field(label, p, hints) for n, p in enumerate(named)}
    return DeclaredFunction(
        name=label,
        kind=kind,
        description=_first_paragraph(function) if description is None else description,
        tags=tags,
        idempotent=idempotent,
        function=function,
        parameters={field: p.name for field, p in zip(fields, named, strict=True)},
        input=_model(label, "forbid" if named == parameters else "allow", fields),
        output=_adapter(label, hints.get("return", Any)),
    )


def _field(label: str, parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Any:
    if parameter.kind in {parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY}:
        raise TypeError(
            f"Function '{label}' cannot be declared: its input is a JSON object, so "
            f"parameter '{parameter.name}' must be one that can be given by name."
        )
    default = ... if parameter.default is parameter.empty else parameter.default
    return hints.get(parameter.name, Any), Field(default=default, alias=parameter.name)


def _hints(function: AnyFunction, label: str, names: Mapping[str, Any] | None) -> dict[str, Any]:
    try:
        return get_type_hints(function, localns=dict(names or {}), include_extras=True)
    except NameError as error:
        raise TypeError(
            f"Function '{label}' cannot be declared: its type hints use a name that does not "
            f"exist yet ({error}); define it above the function."
        ) from error


def _model(label: str, extra: Any, fields: dict[str, Any]) -> type[BaseModel]:
    try:
        return create_model(label, __config__=ConfigDict(extra=extra), **fields)
    except PydanticUserError as error:
        raise TypeError(f"The parameters of '{label}' cannot be declared: {error}") from error


def _adapter(label: str, annotation: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(annotation)
    except PydanticUserError as error:
        raise TypeError(f"The result of '{label}' cannot be declared: {error}") from error


def _first_paragraph(function: AnyFunction) -> str:
    text = inspect.getdoc(function) or ""
    return " ".join(text.partition("\n\n")[0].split())
