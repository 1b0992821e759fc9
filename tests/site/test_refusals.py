"""French pages refuse in French (RGAA 4.1 criterion 8.7): each sentence of the record's rules that a page may meet."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fhir_server.fhir.outcome import Invalid
from fhir_server.site.visit import REASONS
from fhir_server.space.record.pages.refusals import WORDS, french, refused

RECORD = Path(__file__).parents[2] / "fhir_server" / "space" / "record"
#: Rules that what the pages ask is held to. What a page cannot send (a patch, a reference, a scope) is not among them.
RULES = ("writing.py", "label_changes.py", "label_step.py", "mask_marks.py", "choosing.py", "content/scanning.py",
         "content/step.py", "sharing/replacing.py", "sharing/unique.py", "clinical_writers.py", "open_records.py",
         "../profile/possible.py")  # fmt: skip
RAISED = {"Invalid", "Forbidden", "Conflict", "MethodNotAllowed", "NotFound", "Unavailable", "Issue", "_refused",
          "_invalid"}  # fmt: skip


def sentences() -> Iterator[tuple[str, str]]:
    """(module, what it refuses with), values in it replaced by a word."""
    for name in RULES:
        tree = ast.parse((RECORD / name).read_text())
        said_as: dict[str, list[ast.expr]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Name):
                said_as.setdefault(target.id, []).append(node.value)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISED:
                for one in node.args[:3] if node.func.id == "Issue" else node.args[:1]:
                    for value in said_as.get(one.id, []) if isinstance(one, ast.Name) else [one]:
                        text = _text(value)
                        if text.endswith(".") and " " in text:
                            yield name, text


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(one) if isinstance(one, ast.Constant) else _value(one) for one in node.values)
    return ""


def _value(node: ast.expr) -> str:
    """What stands for a value: what a choice of two words may be, else a number, which any pattern takes."""
    return "names a professional" if ast.unparse(node) == "{said}" else "7"


SENTENCES = sorted(set(sentences()))


@pytest.mark.parametrize(("module", "text"), SENTENCES)
def test_what_the_rules_refuse_with_is_said_in_french(module: str, text: str) -> None:
    assert french(text) and french(text) != text


def test_each_french_sentence_is_of_something_that_is_said() -> None:
    said = [french(text) for _, text in SENTENCES]
    unsaid = [words for words in WORDS.values() if words.format("7") not in said]
    # Of a version that has changed meanwhile, which the server's own rules say.
    assert len(unsaid) <= 1, unsaid


def test_a_reason_is_told_once_and_what_is_not_known_stays_english() -> None:
    error = Invalid("Something else.", "x")
    assert refused(Invalid(issues=[*error.issues, *error.issues])) == [("", "Something else.")]


#: Where pages of signing in, and of every service, refuse with a sentence of `REASONS`.
HOUSE = Path(__file__).parents[2] / "fhir_server"
PAGES = [
    *(HOUSE / "site").rglob("*.py"),
    *(HOUSE / "space").rglob("pages/*.py"),
    *(HOUSE / "smart" / "authorizing").rglob("*.py"),
]


def reasons() -> Iterator[tuple[str, str]]:
    """(module, the sentence that a page is refused with), those that stand in a constant too."""
    for file in PAGES:
        tree = ast.parse(file.read_text())
        constants = {
            target.id: _text(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args and ast.unparse(node.func).rpartition(".")[2] in _REFUSING:
                first = node.args[0]
                text = constants.get(first.id, "") if isinstance(first, ast.Name) else _text(first)
                if " " in text:
                    yield file.name, text


_REFUSING = ("refused", "Unsafe")


def test_every_page_that_refuses_does_so_in_french() -> None:
    found = set(reasons())
    assert len(found) > 10
    assert {one for one in found if one[1] not in REASONS} == set()
    assert {said for said in REASONS if said not in {text for _, text in found}} == set()


#: What of a template is no words for people: Jinja's own, tags with their attributes.
_JINJA = re.compile(r"\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", re.S)
_TAGS = re.compile(r'<pre.*?</pre>|<[^>]*>|&[a-z]+;|[\w-]+="[^"]*"|\bdata-[\w-]+', re.S)
TEMPLATES = sorted([*(HOUSE / "site" / "templates").rglob("*.html"), *(HOUSE / "space").glob("*/templates/*.html")])


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda file: f"{file.parent.parent.name}/{file.name}")
def test_a_template_has_no_words_of_one_language_alone(template: Path) -> None:
    left = _TAGS.sub(" ", _JINJA.sub(" ", template.read_text()))
    # Names that are the same in both: of the standard, of formats, of a language in itself.
    assert set(re.findall(r"[^\W\d_]{3,}", left)) <= NAMES, template


NAMES = {"FHIR", "JSON", "XML", "Français", "English", "Swagger", "OpenAPI", "CapabilityStatement"}
