from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from agentfield_cli.formats import Format, encode

pytestmark = pytest.mark.unit

_ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def test_json_is_one_line_even_when_spliced_text_has_line_breaks() -> None:
    assert encode(b'{"result":{\r\n  "a": "x\\ny"\n}}', Format.JSON) == (
        b'{"result":{  "a": "x\\ny"}}\n'
    )


def test_text_is_no_form_of_json() -> None:
    with pytest.raises(ValueError, match="text is not a form of JSON"):
        encode(b"{}", Format.TEXT)


def test_pretty_indents_and_keeps_every_number_as_it_was() -> None:
    data = b'{"a":9007199254740993,"b":[1.10,1e400],"c":{},"d":[],"e":{"f":null}}'

    assert encode(data, Format.PRETTY).decode() == (
        '{\n  "a": 9007199254740993,\n  "b": [\n    1.10,\n    1e400\n  ],\n'
        '  "c": {},\n  "d": [],\n  "e": {\n    "f": null\n  }\n}\n'
    )


def test_pretty_leaves_brackets_and_escapes_inside_strings_alone() -> None:
    data = rb'{"a":"[{\"x\": 1,\\"}'

    assert encode(data, Format.PRETTY) == b'{\n  "a": "[{\\"x\\": 1,\\\\"\n}\n'


@settings(max_examples=50, deadline=None)
@given(_ANY_JSON)
def test_pretty_looks_as_the_standard_library_indents(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)

    assert encode(text.encode(), Format.PRETTY).decode() == (
        json.dumps(value, ensure_ascii=False, indent=2) + "\n"
    )


def test_pretty_handles_nesting_deeper_than_pythons() -> None:
    assert encode(b"[" * 5000 + b"]" * 5000, Format.PRETTY).count(b"\n") == 9999


def test_yaml_keeps_big_integers_words_that_look_like_others_and_the_order() -> None:
    data = '{"z":9007199254740993,"y":"yes","x":"007","w":"ü\\n\\u001b","v":true}'.encode()

    text = encode(data, Format.YAML)

    assert yaml.safe_load(text) == json.loads(data)
    assert [line[:1] for line in text.decode().splitlines()[:4]] == ["-", "z", "y", "x"]
    assert b"9007199254740993" in text
    assert b"\x1b" not in text
