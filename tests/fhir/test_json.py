"""Reading JSON: each digit is kept, what JSON or FHIR does not allow is refused, however plain the rest of the body is.

https://hl7.org/fhir/R4/json.html, RFC 8259.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import Malformed

DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**20), max_value=10**20)
LEAVES = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | DECIMALS | st.text()
OBJECTS = st.dictionaries(
    st.text(),
    st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=8
    ),
    max_size=5,
)


def digits(tree: Any) -> Any:
    """The tree with its decimals as they are written: 1.0 and 1.00 are two."""
    if isinstance(tree, dict):
        return {name: digits(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [digits(value) for value in tree]
    return str(tree) if isinstance(tree, Decimal) else tree


@settings(deadline=None)
@given(OBJECTS, st.sampled_from([-1, 0, 3]))
def test_what_is_written_is_read_as_it_was_with_or_without_white_space(tree: dict[str, Any], indent: int) -> None:
    body = serialize(tree)
    assert digits(parse(body)) == digits(tree)
    assert digits(parse(msgspec.json.format(body, indent=indent))) == digits(tree)


@settings(deadline=None)
@given(OBJECTS)
def test_what_is_escaped_means_the_same(tree: dict[str, Any]) -> None:
    body = re.sub(r"[^\x00-\x7f]", _escaped, serialize(tree).decode()).replace("/", "\\/")
    assert digits(parse(body.encode())) == digits(tree)


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[n : n + 2].hex()}" for n in range(0, len(units), 2))


#: A body → what is read of it; None when it is refused.
BODIES: list[tuple[bytes, dict[str, Any] | None]] = [
    (b'{"a":1,"b":[{"c":true}]}', {"a": 1, "b": [{"c": True}]}),
    (b'\xef\xbb\xbf {"a" : 1}\r\n', {"a": 1}),
    (b'{"a":1.10}', {"a": Decimal("1.10")}),
    (b'{"a":1e2}', {"a": Decimal("1E+2")}),
    (b'{"a":-0}', {"a": 0}),
    (b'{"a":"\\u00e9\\/"}', {"a": "é/"}),
    (b'{"a":"\\ud83d\\ude00"}', {"a": "\U0001f600"}),
    (b'{"a":1,"a":1}', None),
    (b'{"a":{"b":[{"c":1,"d":2,"c":1}]}}', None),
    (b'{"a":1, "\\u0061":1}', None),
    (b'{"a":"\\ud800"}', None),
    (b'{"a":"\x01"}', None),
    (b'{"a":"\xff"}', None),
    (b'{"a":NaN}', None),
    (b'{"a":-Infinity}', None),
    (b'{"a":1e999}', None),
    (b'{"a":01}', None),
    (b'{"a":1}{}', None),
    (b'{"a":1,}', None),
    (b'{"a":1', None),
    (b'["a"]', None),
    (b'"a"', None),
    (b"", None),
]


@pytest.mark.parametrize(("body", "tree"), BODIES)
def test_a_body_is_read_or_refused(body: bytes, tree: dict[str, Any] | None) -> None:
    if tree is not None:
        assert digits(parse(body)) == digits(tree)
        return
    with pytest.raises(Malformed):
        parse(body)


def nested(deep: int, inside: bytes) -> bytes:
    """Objects and lists in turn, `deep` of them around `inside`, the outermost an object."""
    opened = b"".join(b'{"a":' if n % 2 == 0 else b"[" for n in range(deep))
    closed = b"".join(b"}" if n % 2 == 0 else b"]" for n in reversed(range(deep)))
    return opened + inside + closed


@pytest.mark.parametrize("inside", [b"1", b"[]", b"{}", b'"\\n  \\u0041"'])
@pytest.mark.parametrize("indented", [False, True])
def test_nesting_is_counted_to_the_level(inside: bytes, indented: bool) -> None:
    deepest = 64 if inside[:1] not in b"[{" else 63
    for deep in (deepest, deepest + 1):
        body = nested(deep, inside)
        if indented:
            body = json.dumps(json.loads(body), indent=1).encode()
        if deep == deepest:
            assert serialize(parse(body)) == serialize(json.loads(body))
            continue
        with pytest.raises(Malformed, match="Nested deeper than 64 levels"):
            parse(body)


def test_many_short_branches_are_not_deep() -> None:
    tree = {"a": [{"b": []} for _ in range(200)]}
    assert parse(serialize(tree)) == tree
