"""A PDF/A of several pages: every object where the table says, each page in the tree, no line wider than its page.

PDF Reference 1.4 §3.4.3 (cross-reference table), §3.6.2 (page tree); ISO 19005-1 §6.1.
"""

from __future__ import annotations

import re

import pytest

from fhir_server.space import pdfa

LONG = "Une phrase assez longue pour aller plus loin que la largeur de la page, et qui continue encore un peu. "


@pytest.mark.parametrize("count", [0, 1, 35, 36, 200])
def test_every_object_is_where_the_table_says_and_every_page_in_the_tree(count: int) -> None:
    file = pdfa.pages("Carnet (de santé) \\ été", [f"ligne {n}" for n in range(count)], "en")
    start = int(file.rpartition(b"startxref\n")[2].split()[0])
    assert file[start:].startswith(b"xref\n")
    places = [int(one) for one in re.findall(rb"(\d{10}) 00000 n ", file[start:])]
    assert [file[at:].split(b" ", 1)[0] for at in places] == [b"%d" % n for n in range(1, len(places) + 1)]
    objects = {n: file[at : file.index(b"endobj", at)] for n, at in enumerate(places, 1)}
    kids = [int(one) for one in re.findall(rb"(\d+) 0 R", objects[2].partition(b"/Kids[")[2].partition(b"]")[0])]
    assert len(kids) == max(1, -(-count // 35)) and f"/Count {len(kids)}".encode() in objects[2]
    for kid in kids:
        assert b"/Type/Page/" in objects[kid]
        content = re.search(rb"/Contents (\d+) 0 R", objects[kid])
        assert content is not None and b"BT\n" in objects[int(content[1])]
    assert f"/Info {len(places)} 0 R".encode() in file and b"/Lang(en)" in objects[1]
    # Lengths of streams are as they are said.
    for one in objects.values():
        if b"\nstream\n" in one:
            head, _, rest = one.partition(b"\nstream\n")
            assert len(rest.rpartition(b"\nendstream")[0]) == int(head.rpartition(b"/Length ")[2].split(b">")[0])


@pytest.mark.parametrize(
    "text",
    [LONG * 5, "x" * 1000, pytest.param("long" * 25_000, id="long"), "mot " + "y" * 400 + " mot", "€ œ é " * 100],
)
def test_a_line_fits_its_page_and_nothing_is_lost(text: str) -> None:
    lines = pdfa.wrapped(text)
    _, widths = pdfa._font()
    assert all(pdfa._width(one, widths) <= pdfa._ROOM for one in lines) and len(lines) > 1
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_a_blank_paragraph_is_a_blank_line() -> None:
    assert pdfa.wrapped("") == [""] and pdfa.wrapped("  ") == [""]


def test_what_the_font_has_not_is_shown_as_a_question_mark() -> None:
    assert b"(? ok) Tj" in pdfa.pages("t", ["漢 ok"])
