"""What a JSON schema asks for, one value at a time."""

from __future__ import annotations

__all__ = ["Parameter", "Path", "arguments_of", "fits", "parameters"]

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, UnknownType, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from agentfield.simulator.mind.patterns import is_quick
from agentfield.simulator.mind.words import identifier_words

Schema = Mapping[str, Any]
Path = tuple[str, ...]

_NO_SCHEMA = (
    SchemaError,
    UnknownType,
    Unresolvable,
    OverflowError,
    RecursionError,
    AttributeError,
    TypeError,
    re.error,
)
_SHAPES: Mapping[str, type | tuple[type, ...]] = {
    "$ref": str,
    "allOf": list,
    "anyOf": list,
    "oneOf": list,
    "description": str,
    "enum": list,
    "format": str,
    "items": Mapping,
    "pattern": str,
    "properties": Mapping,
    "required": list,
    "title": str,
    "type": (str, list),
}
"""What keywords are; where they are something else they are passed over."""
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number"}
_DEEPEST = 6
"""Schemas may refer to themselves; nothing is looked for deeper than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One value that is not an object with properties, wherever it stands in the arguments."""

    path: Path
    schema: Schema
    """Without references, and without the null that it may also be."""
    required: bool
    """Whether arguments without it are not valid."""
    local: bool
    """Whether the object it stands in is not valid without it."""

    @property
    def kind(self) -> str:
        """What type it has; "any" if the schema names none."""
        return str(self.schema.get("type", "any"))

    @property
    def words(self) -> Sequence[str]:
        """The words of its name."""
        return identifier_words(self.path[-1])

    @property
    def description(self) -> str:
        """What the schema says it is, or what the object says that it is all of."""
        return str(self.schema.get("description") or "").strip()

    @property
    def choices(self) -> Sequence[tuple[Any, str]]:
        """The values it is one of, each with how it is called."""
        of = (
            self.schema["items"] if self.kind == "array" and "items" in self.schema else self.schema
        )
        if isinstance(of.get("oneOf"), list):
            return [
                (each["const"], str(each.get("title") or each["const"]))
                for each in of["oneOf"]
                if isinstance(each, Mapping) and "const" in each
            ]
        values = of.get("enum", [])
        return [(value, value) for value in values if isinstance(value, str)]


def parameters(schema: Schema) -> list[Parameter]:
    """Return all values a schema of arguments asks for, in its order."""
    return list(_within(_Root(schema), schema, (), required=True))


def _has_pattern(
    _validator: Any, pattern: Any, value: Any, _schema: Any
) -> Iterator[ValidationError]:
    if isinstance(value, str) and not (is_quick(pattern) and re.search(pattern, value)):
        yield ValidationError("the pattern is not matched, or it might be tried for ever")


_Validator = extend(Draft202012Validator, {"pattern": _has_pattern})  # type: ignore[no-untyped-call] # its stubs lack types


def fits(value: Any, schema: Schema) -> bool:
    """Return whether a value is valid; a schema that is none itself has no valid value."""
    try:
        # An empty registry: a schema's references are never fetched.
        return bool(_Validator(schema, registry=Registry()).is_valid(value))
    except _NO_SCHEMA:
        return False


def arguments_of(
    schema: Schema, asked: Sequence[Parameter], values: Mapping[Path, Any]
) -> dict[str, Any] | None:
    """Return the arguments with these values; None if they are not valid.

    An optional object that lacks something it needs is left out.
    """
    lacking = {
        each.path[:-1]
        for each in asked
        if each.local and not each.required and each.path not in values
    }
    arguments = _objects(_Root(schema), schema)
    for path, value in values.items():
        if any(path[: len(of)] == of for of in lacking if of):
            continue
        inside = arguments
        for name in path[:-1]:
            inside = inside.setdefault(name, {})
        inside[path[-1]] = value
    return arguments if fits(arguments, schema) else None


class _Root:
    """Resolves what stands in the whole schema."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def plain(self, schema: Any, depth: int = 0) -> dict[str, Any]:
        """Return a schema without references and alternatives at its top."""
        if not isinstance(schema, Mapping) or depth > _DEEPEST:
            return {}
        plain: dict[str, Any] = {
            key: value
            for key, value in schema.items()
            if isinstance(value, _SHAPES.get(key, object))
        }
        if reference := plain.pop("$ref", None):
            plain = _merged(self.plain(self._at(reference), depth + 1), plain)
        for part in plain.pop("allOf", ()):
            plain = _merged(self.plain(part, depth + 1), plain)
        for key in ("anyOf", "oneOf"):
            branches = plain.get(key)
            if not isinstance(branches, list):
                continue
            given = [self.plain(each, depth + 1) for each in branches]
            given = [each for each in given if each.get("type") != "null"]
            if key == "oneOf" and all("const" in each for each in given):
                plain[key] = given
            else:
                del plain[key]
                plain = _merged(given[0] if given else {"type": "null"}, plain)
        if "items" in plain:
            plain["items"] = self.plain(plain["items"], depth + 1)
        return _typed(plain)

    def _at(self, reference: str) -> Any:
        if not reference.startswith("#"):
            return {}
        found: Any = self._schema
        for step in reference.removeprefix("#").removeprefix("/").split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            if name:
                found = found.get(name, {}) if isinstance(found, Mapping) else {}
        return found


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return what both say; where they differ, the other counts."""
    merged = {**one, **other}
    if "properties" in one and "properties" in other:
        merged["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one and "required" in other:
        merged["required"] = [*one["required"], *other["required"]]
    return merged


def _typed(plain: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with one type, if that can be known."""
    of = plain.get("type")
    if isinstance(of, list):
        of = next((each for each in of if each != "null"), "null")
    elif of is None and "properties" in plain:
        of = "object"
    elif of is None:
        values = [*plain.get("enum", ()), *([plain["const"]] if "const" in plain else ())]
        of = next((_TYPES[type(value)] for value in values if type(value) in _TYPES), None)
    return plain if of is None else {**plain, "type": of}


def _objects(root: _Root, schema: Any, depth: int = 0) -> dict[str, Any]:
    """Return the objects that a schema requires, with nothing in them but each other."""
    plain = root.plain(schema)
    needed: dict[str, Any] = {}
    for name, each in plain.get("properties", {}).items():
        inside = root.plain(each)
        within = inside.get("type") == "object" and inside.get("properties")
        if within and name in plain.get("required", ()) and depth < _DEEPEST:
            needed[name] = _objects(root, each, depth + 1)
    return needed


def _within(root: _Root, schema: Any, path: Path, *, required: bool) -> Sequence[Parameter]:
    plain = root.plain(schema)
    properties = plain.get("properties")
    if not properties or len(path) > _DEEPEST:
        return ()
    needed = plain.get("required", ())
    found: list[Parameter] = []
    for name, each in properties.items():
        inside = root.plain(each)
        here, must = (*path, name), required and name in needed
        if inside.get("type") == "object" and inside.get("properties"):
            below = _within(root, inside, here, required=must)
            found += [_described(one, inside) for one in below]
        else:
            found.append(Parameter(path=here, schema=inside, required=must, local=name in needed))
    return found


def _described(parameter: Parameter, of: Schema) -> Parameter:
    """Let a value that is alone in an object be described as the object is."""
    alone = len(of["properties"]) == 1
    if not alone or parameter.description or not of.get("description"):
        return parameter
    return Parameter(
        path=parameter.path,
        schema={**parameter.schema, "description": of["description"]},
        required=parameter.required,
        local=parameter.local,
    )
