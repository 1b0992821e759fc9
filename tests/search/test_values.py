"""https://hl7.org/fhir/R4/search.html#escaping"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.search.kinds.values import escape, split, unescape


@pytest.mark.parametrize(
    ("text", "separator", "parts"),
    [
        ("a,b", ",", ["a", "b"]),
        (r"a\,b", ",", [r"a\,b"]),
        (r"a\\,b", ",", [r"a\\", "b"]),
        (r"s|c\|d", "|", ["s", r"c\|d"]),
        ("a$b,c$d", "$", ["a", "b,c", "d"]),
        (r"xx\$xx", "$", [r"xx\$xx"]),
        ("", ",", [""]),
    ],
)
def test_a_value_is_cut_where_the_separator_is_not_escaped(text: str, separator: str, parts: list[str]) -> None:
    assert split(text, separator) == parts


@pytest.mark.parametrize(("text", "plain"), [(r"a\,b", "a,b"), (r"xx\\xx", r"xx\xx"), (r"\|\$", "|$"), ("a", "a")])
def test_escapes_are_undone(text: str, plain: str) -> None:
    assert unescape(text) == plain


@pytest.mark.parametrize("text", [r"xx\xx", "a\\", "\\\n"])
def test_a_backslash_before_anything_else_is_illegal(text: str) -> None:
    with pytest.raises(InvalidParameter):
        unescape(text)


@given(st.lists(st.text(), min_size=1), st.sampled_from(",|$"))
def test_what_is_escaped_and_joined_comes_back(parts: list[str], separator: str) -> None:
    joined = separator.join(escape(part) for part in parts)
    assert [unescape(part) for part in split(joined, separator)] == parts
