"""French pages refuse in French (RGAA 4.1 criterion 8.7): each sentence of the record's rules that a page may meet."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from fhir_server.fhir.outcome import Invalid
from fhir_server.space.record.pages.refusals import WORDS, french, refused

RECORD = Path(__file__).parents[2] / "fhir_server" / "space" / "record"
#: Rules that what the pages ask is held to. What a page cannot send (a patch, a reference, a scope) is not among them.
RULES = ("writing.py", "label_changes.py", "label_step.py", "mask_marks.py", "choosing.py", "content/scanning.py",
         "content/step.py", "sharing/replacing.py", "sharing/unique.py")  # fmt: skip
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
