"""https://hl7.org/fhir/R4/http.html#paging"""

from __future__ import annotations

import pytest

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.search.answering.cursors import MAX_BACK, START, Cursor, open_cursor, sign
from fhir_server.search.asking.identity import identity

KEY = b"a secret of the tests"
QUERY = identity(["Patient", "name", "a"])


def test_a_cursor_comes_back_as_it_was_signed() -> None:
    cursor = Cursor((1, 2.5, "é", None), (None, (1,)))
    assert open_cursor(sign(cursor, QUERY, KEY), QUERY, KEY) == cursor


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "AAAA",
        "é",
        "=" * 10,
        "A" * 100_000,
        sign(START, QUERY, b"another key"),
        sign(START, identity(["Patient"]), KEY),
        sign(START, QUERY, KEY)[:-2] + "AA",
    ],
)
def test_a_forged_or_foreign_cursor_is_refused(token: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        open_cursor(token, QUERY, KEY)
    assert refused.value.status == 400


def test_every_single_changed_character_is_noticed() -> None:
    token = sign(Cursor((1_700_000_000_000, "abc")), QUERY, KEY)
    for place, char in enumerate(token[:-1]):
        with pytest.raises(InvalidParameter):
            open_cursor(token[:place] + ("A" if char != "A" else "B") + token[place + 1 :], QUERY, KEY)


def test_previous_leads_back_page_by_page_as_far_as_the_cursor_remembers() -> None:
    second = START.following((1,))
    third = second.following((2,))
    assert third.previous == second
    assert second.previous == START
    assert START.previous is None
    far = START
    for page in range(MAX_BACK * 3):
        far = far.following((page,))
    assert len(far.back) == MAX_BACK


def test_parts_of_an_identity_do_not_run_into_each_other() -> None:
    assert identity(["ab", "c"]) != identity(["a", "bc"])
