"""The words of a FHIRPath expression: names, literals, operators, with white space and comments dropped.

http://hl7.org/fhirpath/N1/grammar.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fhir_server.fhir.fhirpath.errors import MalformedExpression

MAX_LENGTH = 10_000  #: characters; the longest expression of R4 has 1,386

#: Kinds in the order they are tried.
_WORDS = re.compile(
    r"""
      (?P<space>\s+|//[^\r\n]*|/\*.*?\*/)
    | (?P<datetime>@\d{4}(?:-\d\d(?:-\d\d)?)?T(?:\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:\d\d)?)?)
    | (?P<date>@\d{4}(?:-\d\d(?:-\d\d)?)?)
    | (?P<time>@T\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?)
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<quoted>`(?:[^`\\]|\\.)*`)
    | (?P<variable>%(?:(?:vs|ext)-[A-Za-z0-9_-]+|[A-Za-z_][A-Za-z0-9_]*
        |'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|"(?:[^"\\]|\\.)*"))
    | (?P<this>\$[a-z]+)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<symbol><=|>=|!=|!~|[=~<>+\-*/&|.,()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPES = {"f": "\f", "n": "\n", "r": "\r", "t": "\t", "'": "'", '"': '"', "`": "`", "\\": "\\", "/": "/"}


@dataclass(frozen=True, slots=True)
class Word:
    """One word: what kind it is, its meaning (escapes undone, quotes dropped) and where it starts in the text."""

    kind: str
    text: str
    start: int


def words(text: str) -> list[Word]:
    """The words of `text`, ended by one of kind `end`.

    Raises:
        MalformedExpression: a character that starts no word, an unended string or comment, an unknown escape, or a text
            longer than `MAX_LENGTH`.
    """
    if len(text) > MAX_LENGTH:
        raise MalformedExpression(f"longer than {MAX_LENGTH} characters", MAX_LENGTH)
    found: list[Word] = []
    at = 0
    while at < len(text):
        match = _WORDS.match(text, at)
        if match is None or (text.startswith("/*", at) and match.lastgroup == "symbol"):
            raise MalformedExpression("unexpected character or unended text", at)
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(Word(kind, _meaning(kind, match.group(), at), at))
        at = match.end()
    found.append(Word("end", "", at))
    return found


def _meaning(kind: str, text: str, start: int) -> str:
    if kind in ("string", "quoted"):
        return _unescaped(text[1:-1], start)
    if kind == "variable":
        return _unescaped(text[2:-1], start) if text[1] in "'`\"" else text[1:]
    return text[1:] if kind in ("date", "datetime", "time", "this") else text


def _unescaped(text: str, start: int) -> str:
    def character(match: re.Match[str]) -> str:
        code = match.group(1)
        if len(code) == 5:
            return chr(int(code[1:], 16))
        if code not in _ESCAPES:
            raise MalformedExpression(f"unknown escape \\{code}", start + 1 + match.start())
        return _ESCAPES[code]

    return _ESCAPE.sub(character, text) if "\\" in text else text
