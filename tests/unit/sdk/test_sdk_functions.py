from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from agentfield_sdk.context import ExecutionContext, current, entered
from agentfield_sdk.functions import DeclaredFunction, InputRefused, declare

pytestmark = pytest.mark.unit


class Person(BaseModel):
    name: str
    friends: list[Person] = Field(default_factory=list)


@dataclass
class Place:
    city: str
    at: tuple[float, float] | None = None


class Options(TypedDict, total=False):
    deep: bool


def declared(function: Callable[..., Any], **facts: Any) -> DeclaredFunction:
    return declare(function, name=None, kind="skill", **facts)


async def run(function: Callable[..., Any], input_: Any) -> Any:
    return orjson.loads(await declared(function).run(orjson.dumps(input_)))


def input_schema(function: Callable[..., Any]) -> Any:
    return orjson.loads(declared(function).input_schema)


def output_schema(function: Callable[..., Any]) -> Any:
    return orjson.loads(declared(function).output_schema)


def test_the_properties_of_a_schema_are_in_the_order_of_the_parameters() -> None:
    def function(zebra: int, apple: str = "a", *, mango: bool) -> None: ...

    schema = input_schema(function)

    assert list(schema["properties"]) == ["zebra", "apple", "mango"]
    assert schema["required"] == ["zebra", "mango"]
    assert schema["properties"]["apple"]["default"] == "a"
    assert schema["additionalProperties"] is False


def test_constraints_and_descriptions_of_annotated_types_reach_the_schema() -> None:
    def function(count: Annotated[int, Field(gt=0, description="how many")]) -> None: ...

    count = input_schema(function)["properties"]["count"]

    assert (count["exclusiveMinimum"], count["description"]) == (0, "how many")


def test_a_result_without_annotation_may_be_anything() -> None:
    def function():  # type: ignore[no-untyped-def] # noqa: ANN202
        return 1

    assert output_schema(function) == {}


def test_a_result_has_the_schema_of_its_annotation() -> None:
    def function() -> list[int]:
        return []

    assert output_schema(function) == {"type": "array", "items": {"type": "integer"}}


async def test_arguments_arrive_as_the_types_they_are_annotated_with() -> None:
    def function(who: Person, where: Place | None, options: Options) -> list[str]:
        assert isinstance(who.friends[0], Person)
        assert where == Place("Rome", (1.5, 2.0))
        return [who.name, who.friends[0].name, str(options["deep"])]

    result = await run(
        function,
        {
            "who": {"name": "A", "friends": [{"name": "B"}]},
            "where": {"city": "Rome", "at": [1.5, 2]},
            "options": {"deep": True},
        },
    )

    assert result == ["A", "B", "True"]


async def test_types_of_the_scope_around_a_function_are_found() -> None:
    class Local(BaseModel):
        n: int

    def function(local: Local) -> int:
        return local.n

    one = declared(function, names=locals())

    assert await one.run(b'{"local": {"n": 4}}') == b"4"


async def test_names_that_pydantic_uses_itself_are_good_parameter_names() -> None:
    def function(model_config: int, json: int, _hidden: int = 3, copy: int = 4) -> list[int]:
        return [model_config, json, _hidden, copy]

    assert await run(function, {"model_config": 1, "json": 2, "_hidden": 5}) == [1, 2, 5, 4]


async def test_defaults_are_the_functions_own_and_need_not_be_json() -> None:
    nothing = object()

    def function(x: Any = nothing) -> bool:
        return x is nothing

    assert "default" not in input_schema(function)["properties"]["x"]
    assert await run(function, {}) is True


async def test_a_function_with_keywords_takes_everything() -> None:
    def function(a: int, **rest: Any) -> dict[str, Any]:
        return {"a": a, **rest}

    assert input_schema(function)["additionalProperties"] is True
    assert await run(function, {"a": 1, "b": [2], "p0": 3}) == {"a": 1, "b": [2], "p0": 3}


async def test_an_empty_input_is_an_empty_object() -> None:
    def function(a: int = 7) -> int:
        return a

    assert await declared(function).run(b"") == b"7"


async def test_large_integers_stay_exact_both_ways() -> None:
    def function(n: int) -> int:
        return n + 1

    assert await declared(function).run(b'{"n": 123456789012345678901}') == b"123456789012345678902"


@pytest.mark.parametrize(
    ("input_", "named"),
    [
        ({"count": "many", "who": {"name": "A"}}, "count: "),
        ({"count": 1, "who": {}}, "who.name: "),
        ({"count": 1, "who": {"name": "A"}, "extra": 1}, "extra: "),
        ([], "input: "),
    ],
)
async def test_an_input_that_does_not_fit_is_refused_by_field_and_without_its_values(
    input_: Any, named: str
) -> None:
    def function(count: int, who: Person) -> None:
        raise AssertionError("it must not be called")

    with pytest.raises(InputRefused) as refused:
        await run(function, input_)

    assert named in str(refused.value)
    assert "many" not in str(refused.value)


async def test_results_are_written_by_their_annotation_and_alias() -> None:
    class Out(BaseModel):
        value: int = Field(alias="the-value")

    def function() -> Out:
        return Out(**{"the-value": 1})

    one = declared(function, names=locals())

    assert await one.run(b"{}") == b'{"the-value":1}'
    assert "the-value" in orjson.loads(one.output_schema)["properties"]


async def test_a_result_of_another_type_than_promised_is_still_written() -> None:
    def function() -> Person:
        return {"name": "A"}  # type: ignore[return-value]

    assert await run(function, {}) == {"name": "A"}


async def test_a_result_that_json_cannot_say_is_a_type_error_that_names_the_function() -> None:
    def lock() -> Any:
        return threading.Lock()

    with pytest.raises(TypeError, match="result of 'lock' cannot be written as JSON"):
        await run(lock, {})


async def test_a_plain_function_runs_in_another_thread_with_the_context() -> None:
    def function() -> list[Any]:
        context = current()
        return [threading.current_thread() is threading.main_thread(), context and context.run_id]

    with entered(ExecutionContext(execution_id="e", run_id="r", function="f")):
        assert await run(function, {}) == [False, "r"]


async def test_a_plain_function_may_raise_anything_even_stop_iteration() -> None:
    def function() -> None:
        raise StopIteration

    with pytest.raises(RuntimeError, match="StopIteration"):
        await run(function, {})


def test_a_description_is_the_first_paragraph_of_the_docstring() -> None:
    def function() -> None: ...

    function.__doc__ = "Do\n    this.\n\n    Not this."

    assert declared(function).description == "Do this."
    assert declared(function, description="Else.").description == "Else."


def _star(*values: int) -> None: ...


def _positional(value: int, /) -> None: ...


def _undeclarable(value: threading.Thread) -> None: ...


def _undeclarable_result() -> threading.Thread:
    raise AssertionError("it is only declared")


def _unknown(value: Unheard) -> None:  # type: ignore[name-defined] # noqa: F821
    ...


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (_star, "'values' must be one that can be given by name"),
        (_positional, "'value' must be one that can be given by name"),
        (_undeclarable, "parameters of '_undeclarable' cannot be declared"),
        (_undeclarable_result, "result of '_undeclarable_result' cannot be declared"),
        (_unknown, "define it above the function"),
    ],
)
def test_what_cannot_be_declared_is_a_clear_type_error(
    function: Callable[..., Any], why: str
) -> None:
    with pytest.raises(TypeError, match=why):
        declared(function)
