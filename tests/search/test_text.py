"""https://hl7.org/fhir/R4/search.html#string, https://hl7.org/fhir/R4/search.html#content."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.search.parameters.text import fold, spellings, without_markup, words


@pytest.mark.parametrize(
    "text, folded",
    [
        ("Smith", "smith"),
        ("ÉLODIE", "elodie"),
        ("Elodie\u0301", "elodie"),
        ("François-Noël", "francois noel"),
        ("Cœur", "coeur"),
        ("Lætitia", "laetitia"),
        ("Straße", "strasse"),
        ("STRASSE", "strasse"),
        ("Øystein Łukasz Đorđe", "oystein lukasz dorde"),
        ("İstanbul Iğdır", "istanbul igdir"),
        ("Ångström", "angstrom"),
        ("D'Artagnan", "d artagnan"),
        ("D’Artagnan", "d artagnan"),
        ("  Jean \t Pierre\u00a0Dupont\n", "jean pierre dupont"),
        ("12, rue de l'Église (bât. B)", "12 rue de l eglise bat b"),
        ("ﬁancée", "fiancee"),
        ("²", "2"),
        ("Ελλάς", "ελλασ"),
        ("Фёдор", "федор"),
        ("日本語", "日本語"),
        ("---", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_case_accents_punctuation_and_space_do_not_count(text: str, folded: str) -> None:
    assert fold(text) == folded


@pytest.mark.parametrize(
    "text, asked",
    [
        ("O'Brien", "obrien"),
        ("O’Brien", "O'Brien"),
        ("Jean-Pierre", "Jean Pierre"),
        ("Jean-Pierre", "Jeanpierre"),
        ("J.-P.", "j p"),
    ],
)
def test_a_name_is_found_however_its_parts_are_joined(text: str, asked: str) -> None:
    assert any(spelling.startswith(fold(asked)) for spelling in spellings(text))


@pytest.mark.parametrize(
    "text, found",
    [("Smith", ("smith",)), ("Rue Haute", ("rue haute",)), ("O'Brien", ("o brien", "obrien")), ("", ("",))],
)
def test_a_second_spelling_is_only_there_where_something_was_joined(text: str, found: tuple[str, ...]) -> None:
    assert spellings(text) == found


@given(st.text(max_size=80))
def test_folding_what_is_folded_changes_nothing(text: str) -> None:
    once = fold(text)
    assert fold(once) == once
    assert once == once.strip()
    assert "  " not in once


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=80))
def test_the_short_way_of_ascii_is_the_long_one(text: str) -> None:
    # A non-ASCII character takes the general way.
    assert fold(text + " é") == f"{fold(text)} e".strip()


def test_words_come_once() -> None:
    assert words("Le patient, le Médecin; LE PATIENT") == ["le", "patient", "medecin"]


@pytest.mark.parametrize(
    "xhtml, found",
    [
        ("<div><p>Toux <b>sèche</b></p><br/>fièvre</div>", ["toux", "seche", "fievre"]),
        ("<div>Dose &lt; 5&nbsp;mg &amp; caf&eacute;</div>", ["dose", "5", "mg", "cafe"]),
        ('<div title="hidden">seen</div>', ["seen"]),
        ("<div>a < b</div>", ["a", "b"]),
        ("<" * 100_000, []),
    ],
)
def test_a_narrative_is_read_without_its_tags(xhtml: str, found: list[str]) -> None:
    assert words(without_markup(xhtml)) == found
