"""What came of several runs as one page for people: plain HTML, no script, nothing fetched."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jinja2

from fhir_server.conformance.runner import Run

#: What people read for each result; the sign is beside the word, never in its place, and colour is in neither's place.
WORDS = {
    "pass": ("✓", "Passed"),
    "fail": ("✗", "Failed"),
    "error": ("✗", "Could not be done"),
    "warning": ("!", "Warning"),
    "skip": ("–", "Left out"),
    "pending": ("–", "Skipped"),
}


def page(runs: Sequence[Run], files: Sequence[str]) -> str:
    """The page.

    Args:
        runs: of one server, at least one.
        files: the name of each run's TestReport beside the page, same order.
    """
    return _template().render(runs=list(zip(runs, files, strict=True)), server=runs[0].server, words=WORDS)


@cache
def _template() -> jinja2.Template:
    source = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
    return jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
