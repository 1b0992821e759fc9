"""Small real PDF/A-1b documents: one page a type of document, drawn once, the person's own words written in afterwards.

A page is drawn with marks of constant length in it and no compression of its text; a document is that page with the
marks replaced by as many bytes, so that every offset in the file stays right.
"""

from __future__ import annotations

from functools import cache

from fhir_server.space.pdfa import page

#: Field → how many bytes its mark, and so its text, takes on the page.
FIELDS = {"patient": 44, "ins": 15, "born": 10, "author": 48, "place": 48, "date": 10, "number": 36}


def paper(title: str, text: tuple[str, ...], words: dict[str, str]) -> bytes:
    """A PDF of one page.

    Args:
        title: what the document is, printed on top.
        text: its lines.
        words: what to write in each field of `FIELDS`; cut or padded to the field.
    """
    pieces = _pieces(title, text)
    return b"".join(piece if isinstance(piece, bytes) else _written(words[piece], FIELDS[piece]) for piece in pieces)


def _written(word: str, length: int) -> bytes:
    plain = word.replace("(", " ").replace(")", " ").replace("\\", " ")
    return plain.encode("cp1252", "replace")[:length].ljust(length)


def _mark(field: str) -> str:
    return f"@{field}".ljust(FIELDS[field], "~")


@cache
def _pieces(title: str, text: tuple[str, ...]) -> tuple[bytes | str, ...]:
    page = _page(title, text)
    pieces: list[bytes | str] = []
    start = 0
    for at, field in sorted((page.index(_mark(field).encode()), field) for field in FIELDS):
        pieces += [page[start:at], field]
        start = at + FIELDS[field]
    return (*pieces, page[start:])


def _page(title: str, text: tuple[str, ...]) -> bytes:
    rows = [
        f"Patient : {_mark('patient')}",
        f"INS : {_mark('ins')}   Naissance : {_mark('born')}",
        f"Auteur : {_mark('author')}",
        f"Lieu : {_mark('place')}",
        f"Date : {_mark('date')}   Document : {_mark('number')}",
        "",
        *text,
        "",
        "Document fictif : personnes et faits sont inventés.",
    ]
    return page(title, rows)
