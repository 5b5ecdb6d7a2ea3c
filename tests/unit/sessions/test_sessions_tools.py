"""What tools are called, and what the model gets of their results."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.sessions.stage import LOOK, TALK

from agentfield.sessions.model import Tool
from agentfield.sessions.ports import DeclaredFunction
from agentfield.sessions.tools import (
    MAX_OUTPUT,
    error_output,
    find_tool,
    resolve_tools,
    result_output,
)
from agentfield.v1 import errors

pytestmark = pytest.mark.unit

NODES = st.sampled_from(["shop", "a-b", "x", "n" * 60])
FUNCTIONS = st.one_of(
    st.sampled_from(["look", "a.b", "a_b", "x__look", "shop__look", "f" * 64, "f" * 65, "f" * 90]),
    st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_.-]{0,90}\Z"),
)
TARGETS = st.lists(st.builds("{}.{}".format, NODES, FUNCTIONS), unique=True, max_size=40)


def declared(*targets: str) -> dict[str, DeclaredFunction]:
    found = {}
    for target in targets:
        node_id, _, name = target.partition(".")
        found[target] = DeclaredFunction(
            node_id=node_id, name=name, description=f"Does {name}.", input_schema=b'{"a":1}'
        )
    return found


def names(*targets: str) -> list[str]:
    return [tool.name for tool in resolve_tools("shop", targets, declared(*targets))]


def test_an_entry_is_a_function_of_this_node_or_of_another() -> None:
    tools = resolve_tools("shop", ["look", "post.send"], declared("shop.look", "post.send"))
    assert tools[0] == Tool(
        entry="look",
        name="look",
        target="shop.look",
        description="Does look.",
        input_schema=b'{"a":1}',
    )
    assert (tools[1].entry, tools[1].target) == ("post.send", "post.send")


def test_a_function_of_this_node_may_have_a_dot_in_its_name() -> None:
    functions = declared("shop.cart.add", "cart.add")
    (tool,) = resolve_tools("shop", ["cart.add"], functions)
    assert tool.target == "shop.cart.add"
    assert tool.name == "cart_add"


def test_one_function_is_one_tool_however_often_it_is_listed() -> None:
    tools = resolve_tools("shop", ["look", "shop.look"], declared("shop.look"))
    assert [(tool.entry, tool.name) for tool in tools] == [("look", "look")]


@pytest.mark.parametrize(("entry", "target"), [("gone", "shop.gone"), ("post.gone", "post.gone")])
def test_an_entry_that_nobody_offers_is_named(entry: str, target: str) -> None:
    with pytest.raises(errors.TargetNotFound, match=f"'{entry}'.*'{target}'") as caught:
        resolve_tools("shop", ["look", entry], declared("shop.look"))
    assert caught.value.metadata == {"target": target}


def test_names_are_short_where_that_is_enough() -> None:
    assert names("shop.look", "post.send") == ["look", "send"]
    assert names("shop.look", "post.look", "post.send") == ["shop__look", "post__look", "send"]
    assert names("shop.a.b", "shop.a_c") == ["a_b", "a_c"]


def test_a_long_name_is_cut_and_told_from_others_by_its_hash() -> None:
    (name,) = names("shop." + "f" * 65)
    assert re.fullmatch(r"f{57}_[0-9a-f]{6}", name)
    assert names("shop." + "f" * 64) == ["f" * 64]


@given(TARGETS)
def test_names_are_unlike_each_other_and_the_same_every_time(targets: list[str]) -> None:
    given_names = names(*targets)
    assert len(set(given_names)) == len(targets)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in given_names)
    assert given_names == names(*targets)


@pytest.mark.parametrize("name", ["look", "shop.look"])
def test_a_tool_is_found_by_name_entry_and_target(name: str) -> None:
    assert find_tool([TALK, LOOK], name) == LOOK


def test_the_models_name_goes_before_the_declared_one() -> None:
    one = Tool(entry="look", name="shop__look", target="shop.look")
    other = Tool(entry="post.look", name="look", target="post.look")
    assert find_tool([one, other], "look") == other
    assert find_tool([one], "look") == one
    assert find_tool([one], "other") is None


# --- outputs ---

JSON = st.recursive(
    st.none() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=60),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)
SCRIPTS = st.sampled_from(["a", '"', "\\", "\n", "ß", "語", "😀", "\x00", "\u2028"])


@given(JSON)
def test_a_result_that_is_small_is_handed_on_byte_for_byte(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=1)
    assert result_output(text.encode()) == text


@given(st.lists(SCRIPTS, min_size=1, max_size=6), st.integers(0, 40_000))
def test_a_result_of_any_size_and_script_fits_and_is_json(script: list[str], count: int) -> None:
    result = json.dumps("".join(script) * count, ensure_ascii=False)
    output = result_output(result.encode())
    assert len(output.encode()) <= MAX_OUTPUT
    value = json.loads(output)
    if len(result.encode()) > MAX_OUTPUT:
        assert value["truncated"] is True
        assert result.startswith(value["result"])
        # As much as there is room for: the next character, escaped twice, would be too much.
        assert len(output.encode()) > MAX_OUTPUT - 16
    else:
        assert output == result


def test_a_result_of_just_the_size_is_not_cut() -> None:
    exact = json.dumps("x" * (MAX_OUTPUT - 2)).encode()
    assert len(exact) == MAX_OUTPUT
    assert result_output(exact) == exact.decode()
    assert json.loads(result_output(exact[:-1] + b'x"'))["truncated"] is True


def test_an_error_is_json_the_model_can_talk_about() -> None:
    output = error_output("EXECUTION_FAILED", "é" * 5000)
    assert json.loads(output) == {"error": {"reason": "EXECUTION_FAILED", "message": "é" * 2000}}
    assert len(output.encode()) <= MAX_OUTPUT
