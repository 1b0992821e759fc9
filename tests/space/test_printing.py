"""What people wrote is printed beside the event loop where it is long: others are served meanwhile."""

from __future__ import annotations

import pytest

from fhir_server.space.pdfa import pages
from fhir_server.space.printing import LONG, printed_pages
from fhir_server.work import beside

#: What is printed → whether it is done beside.
TEXTS = {
    "nothing": ([], 0),
    "a line": (["Pénicilline"], 0),
    "one long line": (["a" * LONG], 1),
    "many lines": (["Pénicilline, forte"] * (LONG // 10), 1),
}


@pytest.mark.parametrize("text", TEXTS)
async def test_what_is_long_is_printed_in_the_process_beside(text: str) -> None:
    paragraphs, done = TEXTS[text]
    with beside.opened() as process:
        assert await printed_pages("Synthèse", iter(paragraphs), "en") == pages("Synthèse", paragraphs, "en")
        assert process.done == done
