"""The assertions of a script, one row a kind: what is looked at, and what it is compared with.

https://hl7.org/fhir/R4/testscript-definitions.html#TestScript.setup.action.assert
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from fhir_server.conformance.minimum import missing
from fhir_server.conformance.operators import holds
from fhir_server.conformance.requests import FHIR
from fhir_server.conformance.selection import by_expression, by_path
from fhir_server.conformance.sources import Source, Tree, Unusable
from fhir_server.conformance.variables import primitive
from fhir_server.fhir.fhirpath.expression import compile

Assertion = Mapping[str, Any]
#: Characters of a value shown in a message.
SHOWN = 200


class Verdict(NamedTuple):
    """Whether an assertion holds, and why or why not in words."""

    holds: bool
    message: str


class Scene(Protocol):
    """What an assertion may look at."""

    base: str

    def find(self, id: str | None) -> Source:
        """The fixture, request or response of an id; the last response for None."""

    def sent(self) -> Source:
        """The request that was sent last, as it went out."""

    def fill(self, text: str) -> str:
        """`text` with its variables replaced."""

    def invalid(self, tree: Tree, profile: str) -> list[str]:
        """What is wrong with `tree` by the profile of that id, in words."""


def judge(assertion: Assertion, scene: Scene) -> Verdict:
    """Whether `assertion` holds.

    Raises:
        FhirError: it cannot be judged: it points at nothing, has nothing to compare with, or is not supported.
    """
    kind = next((name for name in KINDS if name in assertion), "")
    if not kind:
        raise Unusable("The assertion asserts nothing that is supported here.")
    return KINDS[kind](assertion, scene)


#: R4's response codes by name: https://hl7.org/fhir/R4/valueset-assert-response-code-types.html
RESPONSES = {
    "okay": "200",
    "created": "201",
    "noContent": "204",
    "notModified": "304",
    "bad": "400",
    "forbidden": "403",
    "notFound": "404",
    "methodNotAllowed": "405",
    "conflict": "409",
    "gone": "410",
    "preconditionFailed": "412",
    "unprocessable": "422",
}


def _subject(assertion: Assertion, scene: Scene) -> Source:
    """What the assertion is about: the source it names, else the last request or response by its direction."""
    if "sourceId" in assertion:
        return scene.find(assertion["sourceId"])
    return scene.sent() if assertion.get("direction") == "request" else scene.find(None)


def _compared(assertion: Assertion, what: str, actual: Sequence[str], expected: Sequence[str]) -> Verdict:
    operator = assertion.get("operator", "equals")
    if operator == "eval":
        raise Unusable("The operator eval is for FHIRPath expressions.")
    well = holds(operator, actual, expected)
    wanted = f" {_shown(expected)}" if expected and operator not in ("empty", "notEmpty") else ""
    return Verdict(well, f"{what} is {_shown(actual)}" + ("." if well else f", which is not: {operator}{wanted}."))


def _response_code(assertion: Assertion, scene: Scene) -> Verdict:
    return _status(assertion, scene, scene.fill(assertion["responseCode"]))


def _response(assertion: Assertion, scene: Scene) -> Verdict:
    return _status(assertion, scene, RESPONSES[assertion["response"]])


def _status(assertion: Assertion, scene: Scene, expected: str) -> Verdict:
    status = _subject(assertion, scene).status
    if status is None:
        raise Unusable("What the assertion is about is no response: it has no status.")
    return _compared(assertion, "The status", [str(status)], [expected])


def _content_type(assertion: Assertion, scene: Scene) -> Verdict:
    source, wanted = _subject(assertion, scene), str(assertion["contentType"])
    expected = FHIR.get(wanted, wanted).lower().replace(" ", "")
    whole = source.headers.get("content-type", "").lower().replace(" ", "")
    actual = whole if ";" in expected else source.media_type
    return _compared(assertion, "The Content-Type", [actual] if actual else [], [expected])


def _header(assertion: Assertion, scene: Scene) -> Verdict:
    name = assertion["headerField"]
    found = _subject(assertion, scene).headers.get(name.lower())
    return _compared(assertion, f"The header {name}", [] if found is None else [found], _expected(assertion, scene))


def _request_method(assertion: Assertion, scene: Scene) -> Verdict:
    request = scene.find(assertion["sourceId"]) if "sourceId" in assertion else scene.sent()
    return _compared(assertion, "The method", [request.method], [assertion["requestMethod"]])


def _request_url(assertion: Assertion, scene: Scene) -> Verdict:
    request = scene.find(assertion["sourceId"]) if "sourceId" in assertion else scene.sent()
    parts = urlsplit(request.url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    relative = request.url.removeprefix(scene.base)
    # As a whole, as a path on its host, or as a path below the base, with its slash or without.
    spellings = [request.url, path, relative, relative.removeprefix("/")]
    return _compared(assertion, "The request's URL", spellings, [scene.fill(assertion["requestURL"])])


def _resource(assertion: Assertion, scene: Scene) -> Verdict:
    source = _subject(assertion, scene)
    if source.tree is None:
        return Verdict(False, source.problem)
    return _compared(assertion, "The resource", [str(source.tree.get("resourceType", ""))], [assertion["resource"]])


def _minimum(assertion: Assertion, scene: Scene) -> Verdict:
    least, source = scene.find(assertion["minimumId"]).resource(), _subject(assertion, scene)
    if source.tree is None:
        return Verdict(False, source.problem)
    places = missing(source.tree, least, str(least.get("resourceType", "")))
    return Verdict(not places, f"Missing or different: {_shown(places)}." if places else "Everything is there.")


def _navigation_links(assertion: Assertion, scene: Scene) -> Verdict:
    if not assertion["navigationLinks"]:
        return Verdict(True, "Navigation links were not to be looked at.")
    source = _subject(assertion, scene)
    if source.tree is None:
        return Verdict(False, source.problem)
    there = {str(link.get("relation")) for link in source.tree.get("link", ())}
    absent = [relation for relation in ("first", "last", "next") if relation not in there]
    return Verdict(not absent, f"Links that are not there: {_shown(absent)}." if absent else "The links are there.")


def _profile(assertion: Assertion, scene: Scene) -> Verdict:
    source = _subject(assertion, scene)
    if source.tree is None:
        return Verdict(False, source.problem)
    wrong = scene.invalid(source.tree, assertion["validateProfileId"])
    return Verdict(not wrong, "; ".join(wrong[:10]) if wrong else "The resource is valid.")


def _expression(assertion: Assertion, scene: Scene) -> Verdict:
    source, expression = _subject(assertion, scene), scene.fill(assertion["expression"])
    if source.tree is None:
        return Verdict(False, source.problem)
    expected = _expected(assertion, scene)
    operator = assertion.get("operator")
    if operator == "eval" or (operator is None and not expected):
        well = compile(expression).holds(source.tree)
        return Verdict(well, f"The expression is {'true' if well else 'not true'}: {expression}")
    return _compared(assertion, expression, _texts(by_expression(expression, source.tree)), expected)


def _path(assertion: Assertion, scene: Scene) -> Verdict:
    source = _subject(assertion, scene)
    if source.tree is None:
        return Verdict(False, source.problem)
    actual = _texts(by_path(assertion["path"], source.tree))
    return _compared(assertion, assertion["path"], actual, _expected(assertion, scene))


def _same_as_source(assertion: Assertion, scene: Scene) -> Verdict:
    """Only a source to compare with: its expression is judged on both."""
    source = _subject(assertion, scene)
    if source.tree is None:
        return Verdict(False, source.problem)
    what = assertion.get("compareToSourceExpression") or assertion["compareToSourcePath"]
    return _compared(assertion, what, _of_source(assertion, source.tree), _expected(assertion, scene))


def _expected(assertion: Assertion, scene: Scene) -> list[str]:
    """What to compare with: `value`, else what is selected in the source to compare to; empty for neither."""
    if "value" in assertion:
        return [scene.fill(assertion["value"])]
    if "compareToSourceId" in assertion:
        return _of_source(assertion, scene.find(assertion["compareToSourceId"]).resource())
    return []


def _of_source(assertion: Assertion, tree: Tree) -> list[str]:
    if "compareToSourceExpression" in assertion:
        return _texts(by_expression(assertion["compareToSourceExpression"], tree))
    return _texts(by_path(assertion["compareToSourcePath"], tree))


def _texts(values: list[Any]) -> list[str]:
    return [
        json.dumps(value, sort_keys=True, default=str) if isinstance(value, dict | list) else primitive(value, "It")
        for value in values
    ]


def _shown(values: Sequence[str]) -> str:
    text = ", ".join(repr(value) for value in dict.fromkeys(values)) or "nothing"
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


#: The element that makes an assertion of that kind → its judge; the first one present counts (tst-5, tst-6).
KINDS: dict[str, Callable[[Assertion, Scene], Verdict]] = {
    "responseCode": _response_code,
    "response": _response,
    "contentType": _content_type,
    "headerField": _header,
    "requestMethod": _request_method,
    "requestURL": _request_url,
    "resource": _resource,
    "minimumId": _minimum,
    "navigationLinks": _navigation_links,
    "validateProfileId": _profile,
    "expression": _expression,
    "path": _path,
    "compareToSourceId": _same_as_source,
}
