import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core.strict_json import MAX_DEPTH, StrictJSONError, loads

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=20
)


@given(values, st.booleans())
def test_whatever_json_can_say_is_read_as_the_standard_library_reads_it(
    value: object, ascii_only: bool
) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert loads(raw) == json.loads(raw)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(StrictJSONError):
        assert json.dumps(loads(raw), allow_nan=False, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"NaN", "invalid character"),
        (b"[-Infinity]", "invalid character"),
        (b"1e999", "out of range"),
        (b"[" + b"9" * 400 + b".0]", "out of range"),
        (b"9" * 5000, "out of range"),
        (b'{"a": 1, "a": 1}', "'a' stands twice"),
        (b'{"a" : 1, "a" : 1}', "'a' stands twice"),
        (b'{"b": {"a": 1, "\\u0061": 2}}', "'a' stands twice"),
        (b'{"a": ":", "b": ":\\":", "a" :1}', "'a' stands twice"),
        (b'[{"a\\\\":1,"a\\\\":2}]', "stands twice"),
        (b'"\\ud800"', "truncated"),
        (b'{"\\udc00x": 1}', "surrogate"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b'["a\\u0000b"]', "NUL"),
        (b'{"a\\u0000b": 1}', "NUL"),
        (b'"\xff"', "not UTF-8"),
        ('"é"'.encode("utf-16"), "invalid character"),
        (b"\xef\xbb\xbf{}", "invalid character"),
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"[1,]", "trailing comma"),
        (b"{'a': 1}", "byte 1"),
        (b"{} {}", "trailing characters"),
        (b"01", "invalid number"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(StrictJSONError, match=why):
        loads(raw)


@pytest.mark.parametrize(
    "value", [{":": ":"}, [":a", '":'], {'a"': '":"'}, "\\u0000", ['"a":1'], {"": {"": ""}}]
)
def test_colons_quotes_and_backslashes_in_texts_are_only_text(value: object) -> None:
    assert loads(json.dumps(value).encode()) == value
    assert loads(json.dumps(value, separators=(" ,", " :")).encode()) == value


@pytest.mark.parametrize(("opener", "closer"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("depth", [MAX_DEPTH, 900, 1_000_000])
def test_a_depth_bomb_is_refused(opener: str, closer: str, depth: int) -> None:
    with pytest.raises(StrictJSONError, match="deeper"):
        loads((opener * depth + "[]" + closer * depth).encode())


def test_the_deepest_nesting_allowed_is_read() -> None:
    assert loads(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)


def test_brackets_inside_text_do_not_count_as_nesting() -> None:
    raw = json.dumps(["[" * 500, '\\"[{' * 50]).encode()
    assert loads(raw) == json.loads(raw)


def test_an_escaped_surrogate_pair_is_one_character() -> None:
    assert loads(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"
