"""Strings.

http://hl7.org/fhirpath/N1/#string-manipulation; the functions of FHIRPath 2.1 and later that R4's tests use come last.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Callable

from fhir_server.fhir.fhirpath import patterns, values
from fhir_server.fhir.fhirpath.environment import MAX_TEXT, Environment
from fhir_server.fhir.fhirpath.errors import EvaluationError
from fhir_server.fhir.fhirpath.nodes import EMPTY, Node, made
from fhir_server.fhir.fhirpath.registry import function

Nodes = list[Node]


def text(env: Environment, nodes: Nodes, what: str) -> str | None:
    """The string of the one node, None when there is none."""
    found: str | None = values.scalar(nodes, str, what)
    return None if found is None else env.read(found)


def bounded(env: Environment, made_text: str) -> Nodes:
    """A string as a collection, if it is not too long."""
    if len(made_text) > MAX_TEXT:
        raise EvaluationError("The expression makes too long a string.", code="too-costly")
    return [made(env.read(made_text))]


def _tests(name: str, test: Callable[[str, str], bool]) -> None:
    @function(name, "values", logical=True)
    def call(env: Environment, this: Nodes, nodes: Nodes, other: Nodes) -> bool | None:
        subject, argument = text(env, nodes, f"{name}()"), text(env, other, f"{name}()")
        return None if subject is None or argument is None else test(subject, argument)


_tests("startsWith", str.startswith)
_tests("endsWith", str.endswith)
_tests("contains", str.__contains__)
_tests("matches", lambda subject, pattern: patterns.found(pattern, subject))
_tests("matchesFull", lambda subject, pattern: patterns.found(f"^(?:{pattern})$", subject))


def _maps(name: str, change: Callable[[str], str | int]) -> None:
    @function(name)
    def call(env: Environment, this: Nodes, nodes: Nodes) -> Nodes:
        subject = text(env, nodes, f"{name}()")
        return EMPTY if subject is None else [made(change(subject))]


_maps("upper", str.upper)
_maps("lower", str.lower)
_maps("length", len)
_maps("trim", str.strip)


@function("indexOf", "values")
def _index_of(env: Environment, this: Nodes, nodes: Nodes, other: Nodes) -> Nodes:
    subject, part = text(env, nodes, "indexOf()"), text(env, other, "indexOf()")
    return EMPTY if subject is None or part is None else [made(subject.find(part))]


@function("substring", "values", "values", optional=1)
def _substring(env: Environment, this: Nodes, nodes: Nodes, start: Nodes, length: Nodes | None = None) -> Nodes:
    subject, first = text(env, nodes, "substring()"), values.scalar(start, int, "substring()")
    if subject is None or first is None or not 0 <= first < len(subject):
        return EMPTY
    count = None if length is None else values.scalar(length, int, "substring()")
    # An empty length is as if it were not there (N1 substring).
    return [made(subject[first:] if count is None else subject[first : first + max(0, count)])]


@function("replace", "values", "values")
def _replace(env: Environment, this: Nodes, nodes: Nodes, pattern: Nodes, substitution: Nodes) -> Nodes:
    found = [text(env, part, "replace()") for part in (nodes, pattern, substitution)]
    subject, old, new = found
    if subject is None or old is None or new is None:
        return EMPTY
    if (len(subject) + 1) * len(new) > MAX_TEXT:
        raise EvaluationError("The expression makes too long a string.", code="too-costly")
    return bounded(env, subject.replace(old, new))


@function("replaceMatches", "values", "values")
def _replace_matches(env: Environment, this: Nodes, nodes: Nodes, pattern: Nodes, substitution: Nodes) -> Nodes:
    subject, regex, new = (text(env, part, "replaceMatches()") for part in (nodes, pattern, substitution))
    if subject is None or regex is None or new is None:
        return EMPTY
    if not regex:
        return [made(subject)]
    if (len(subject) + 1) * len(new) > MAX_TEXT:
        raise EvaluationError("The expression makes too long a string.", code="too-costly")
    return bounded(env, patterns.replaced(regex, subject, new))


@function("toChars")
def _to_chars(env: Environment, this: Nodes, nodes: Nodes) -> Nodes:
    return env.found([made(character) for character in text(env, nodes, "toChars()") or ""])


@function("split", "values")
def _split(env: Environment, this: Nodes, nodes: Nodes, separator: Nodes) -> Nodes:
    subject, by = text(env, nodes, "split()"), text(env, separator, "split()")
    if subject is None or by is None:
        return EMPTY
    return env.found([made(part) for part in (subject.split(by) if by else subject)])


@function("join", "values", optional=1)
def _join(env: Environment, this: Nodes, nodes: Nodes, separator: Nodes = EMPTY) -> Nodes:
    parts = [text(env, [node], "join()") or "" for node in nodes]
    return bounded(env, (text(env, separator, "join()") or "").join(parts)) if parts else EMPTY


#: Format → (encode, decode).
_ENCODINGS: dict[str, tuple[Callable[[bytes], bytes], Callable[[str], bytes]]] = {
    "base64": (base64.b64encode, lambda value: base64.b64decode(value, validate=True)),
    "urlbase64": (base64.urlsafe_b64encode, base64.urlsafe_b64decode),
    "hex": (binascii.hexlify, binascii.unhexlify),
}


def _from_json(value: str) -> str:
    # A bare quote cannot stand in a JSON string; here it is what it is.
    return str(json.loads('"' + re.sub(r'(?<!\\)"', r"\"", value) + '"'))


_ESCAPES: dict[str, tuple[Callable[[str], str], Callable[[str], str]]] = {
    "html": (lambda value: html.escape(value, quote=True), html.unescape),
    "json": (lambda value: json.dumps(value, ensure_ascii=False)[1:-1], _from_json),
}


@function("encode", "values")
def _encode(env: Environment, this: Nodes, nodes: Nodes, format: Nodes) -> Nodes:
    subject, coding = text(env, nodes, "encode()"), _ENCODINGS.get(text(env, format, "encode()") or "")
    return EMPTY if subject is None or coding is None else [made(coding[0](subject.encode()).decode())]


@function("decode", "values")
def _decode(env: Environment, this: Nodes, nodes: Nodes, format: Nodes) -> Nodes:
    subject, coding = text(env, nodes, "decode()"), _ENCODINGS.get(text(env, format, "decode()") or "")
    if subject is None or coding is None:
        return EMPTY
    try:
        return [made(coding[1](subject).decode())]
    except ValueError:
        raise EvaluationError("decode() cannot read this text.") from None


@function("escape", "values")
def _escape(env: Environment, this: Nodes, nodes: Nodes, target: Nodes) -> Nodes:
    subject, way = text(env, nodes, "escape()"), _ESCAPES.get(text(env, target, "escape()") or "")
    return EMPTY if subject is None or way is None else [made(way[0](subject))]


@function("unescape", "values")
def _unescape(env: Environment, this: Nodes, nodes: Nodes, target: Nodes) -> Nodes:
    subject, way = text(env, nodes, "unescape()"), _ESCAPES.get(text(env, target, "unescape()") or "")
    if subject is None or way is None:
        return EMPTY
    try:
        return [made(way[1](subject))]
    except ValueError:
        raise EvaluationError("unescape() cannot read this text.") from None
