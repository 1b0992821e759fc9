"""French pages refuse messages in French (RGAA 4.1 criterion 8.7): each sentence of the rules that a page may meet."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fhir_server.fhir.outcome import Invalid
from fhir_server.space.messages.pages.refusals import ENDED, WORDS, french, refused
from fhir_server.space.messages.rules import RULES

MESSAGES = Path(__file__).parents[2] / "fhir_server" / "space" / "messages"
#: Modules whose refusals a page may meet.
MODULES = (
    "writing.py",
    "attachments.py",
    "documents.py",
    "citations.py",
    "bounds.py",
    "conditions.py",
    "ending.py",
    "lines.py",
    "operations.py",
    "saving.py",
)
#: What no page sends: a content that is not what is said of it, a patch of a message, a part by a wrong number.
NOT_SENT = (
    "A message says that it conforms",
    "A message that is not sent yet was received",
    "It was received already",
    "Who a message is to says that it was received",
    "This Communication is not of the token's patient",
    "A file of a message is a Binary",
    "A file of a message says its size",
    "A file of a message does not change",
    "Files stand in the payload",
    "A file is a contentAttachment",
    "The content is not base64",
    "A message refers to 7 resources",
    "A Message-ID is as RFC 5322",
    "A part is named by its number",
    "The message has no such file",
    "The part is no file",
)


def sentences() -> Iterator[str]:
    """What the rules say, values in it replaced by a number."""
    yield from (rule.words for rule in RULES)
    for name in MODULES:
        for node in ast.walk(ast.parse((MESSAGES / name).read_text())):
            if isinstance(node, ast.Expr):
                continue
            for text in _texts(node):
                if re.fullmatch(r"[A-Z].* .*\.", text) and not text.startswith(NOT_SENT):
                    yield text


def _texts(node: ast.AST) -> Iterator[str]:
    """The strings that a node gives a name or a call."""
    given = [node.value] if isinstance(node, ast.Assign) else node.args if isinstance(node, ast.Call) else []
    for one in given:
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value
        elif isinstance(one, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in one.values)


SENTENCES = sorted({one for one in sentences() if not one.startswith("L’")})


@pytest.mark.parametrize("text", SENTENCES)
def test_what_the_rules_of_messages_refuse_with_is_said_in_french(text: str) -> None:
    assert french(text)
    assert french(text) != text


def test_each_french_sentence_is_of_something_that_is_said() -> None:
    said = {french(text) for text in SENTENCES}
    assert not [words for words in WORDS.values() if words.format("7") not in said]


def test_an_end_is_told_with_who_made_it_where_the_reader_knows() -> None:
    error = Invalid(ENDED, "Communication.inResponseTo")
    assert refused(error, "Zoé EXEMPLE")[0][0] == "L’échange a été clos par Zoé EXEMPLE : personne n’y écrit plus."
    assert refused(error)[0] == (french(ENDED), ENDED)
