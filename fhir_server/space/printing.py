"""A PDF of what people wrote: made at once where it is short, beside the event loop where it is long."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_server.http.long_bodies import conversion
from fhir_server.space.pdfa import pages

#: From so many letters on others would wait: a megabyte takes two seconds.
LONG = 10_000


async def printed_pages(title: str, paragraphs: Iterable[str], language: str = "fr-FR") -> bytes:
    """As `pdfa.pages`.

    Raises:
        Unavailable: too much is waiting for the process beside this one (503).
        TooCostly: it takes longer than it may (400).
    """
    rows = [*paragraphs]
    if sum(map(len, rows)) < LONG:
        return pages(title, rows, language)
    return await conversion(pages, title, rows, language)
