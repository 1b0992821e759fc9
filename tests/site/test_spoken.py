"""What a template says in two languages is said in one of them, escaped as if it stood there alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from jinja2 import DictLoader, Environment

from fhir_server import space
from fhir_server.site.rendering import HERE
from fhir_server.site.spoken import Spoken
from fhir_server.site.words import WORDS, Language

TEMPLATES = {
    "words.html": "{% macro two(pair) %}{{ say(pair[0], pair[1]) if pair }}{% endmacro %}",
    "page.html": (
        '{% from "words.html" import two with context %}<p title="{{ say("d’ici & là", "<here> & there") }}">'
        '{{ say("%s fois", "%s times") | format(count) }} {{ two(pair) }}{{ two(none) }} '
        '{{ say("a", "b") ~ say(name, name | upper) }}{{ say(*pair) }}'
        '{% set labels = {"one": say("un", "one")} %}{{ labels["one"] }}</p>'
    ),
}


@pytest.mark.parametrize("chosen", ["fr", "en"])
def test_a_page_says_the_same_as_when_it_is_asked_each_time(chosen: Language) -> None:
    values: dict[str, Any] = {"count": 3, "pair": ("<oui>", "<yes>"), "name": "x&y"}
    asked = Environment(loader=DictLoader(TEMPLATES), autoescape=True).get_template("page.html")
    values["say"] = lambda fr, en: fr if chosen == "fr" else en
    wanted = asked.render(**values)
    settled = Spoken(chosen, loader=DictLoader(TEMPLATES), autoescape=True).get_template("page.html")
    assert settled.render(**values) == wanted


@pytest.mark.parametrize("folder", [HERE / "templates", *Path(space.__file__).parent.glob("*/templates")], ids=str)
def test_every_word_that_a_template_asks_for_is_there(folder: Path) -> None:
    asked = {
        word for file in folder.rglob("*.html") for word in re.findall(r"\bt\[['\"]([^'\"]+)['\"]\]", file.read_text())
    }
    assert asked and asked <= WORDS.keys(), asked - WORDS.keys()
