"""Scripts as JSON, field by field as in the classes."""

from __future__ import annotations

__all__ = ["heard_from_json", "script_from_json"]

from collections.abc import Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from agentfield.simulator.refusals import Refused, unknown_parameter, unsupported
from agentfield.simulator.script import Call, Fault, Heard, Order, Reply, Script

_T = TypeVar("_T")


def script_from_json(value: Any) -> Script:
    """Return a script, or refuse what it does not know."""
    values = dict(_object(value, "script"))
    values["heard"] = [_or_text(Heard, each, "heard") for each in values.get("heard", ())]
    values["replies"] = [_reply(each) for each in values.get("replies", ())]
    values["faults"] = [_made(Fault, each, "faults") for each in values.get("faults", ())]
    order = values.get("order", Order.RECORDED)
    if order not in list(Order):
        raise unsupported("order", order, Order)
    values["order"] = Order(order)
    return _made(Script, values, "script")


def heard_from_json(value: Any) -> Heard:
    """Return an utterance from its text or its fields."""
    heard = _or_text(Heard, value, "heard")
    return Heard(text=heard) if isinstance(heard, str) else heard


def _reply(value: Any) -> Reply | str:
    if isinstance(value, str):
        return value
    values = dict(_object(value, "replies"))
    values["calls"] = [_made(Call, each, "calls") for each in values.get("calls", ())]
    return _made(Reply, values, "replies")


def _or_text(kind: type[_T], value: Any, name: str) -> _T | str:
    return value if isinstance(value, str) else _made(kind, value, name)


def _made(kind: type[_T], value: Any, name: str) -> _T:
    values = _object(value, name)
    hints = get_type_hints(kind)
    for key, given in values.items():
        if key not in hints:
            raise unknown_parameter(f"{name}.{key}")
        if get_origin(hints[key]) is Literal and given not in get_args(hints[key]):
            raise unsupported(f"{name}.{key}", given, get_args(hints[key]))
        if hints[key] in {int, str, bool} and not isinstance(given, hints[key]):
            raise Refused(
                f"Invalid '{name}.{key}': not {hints[key].__name__}.",
                code="invalid_type",
                param=f"{name}.{key}",
            )
    try:
        return kind(**values)
    except TypeError as error:
        raise Refused(f"Invalid '{name}': {error}.", code="invalid_value", param=name) from error


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Refused(f"Invalid '{name}': not an object.", code="invalid_type", param=name)
    return value
