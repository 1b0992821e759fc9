"""The certificates of a child's health (8th day, 9th and 24th month), filed as documents and read as data.

CDA of the CI-SIS, models 5.1 to 5.4 (domain file, agenda §4.2): all three certificates share one type, and their format
tells which. Of what they say the child's own measures are read, and nothing of the parents, whose figures stand in the
same document under the same codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from fhir_server.fhir.outcome import FhirError
from fhir_server.space.childhood.measures import GROWTH, Grown, grown
from fhir_server.space.profile.writing.measuring import ALIKE
from fhir_server.space.record.cda.reading import read
from fhir_server.space.record.cda.tree import Node

#: Format of a document → number of the certificate, 0 for the measures of a child (CSE-MDE); spellings of before too.
FORMATS: Mapping[str, int] = {
    "urn:asip:ci-sis:cse-cs8:2017": 1,
    "urn:ihe:qrph:hbs:2009": 1,
    "urn:asip:ci-sis:cse-cs9:2017": 2,
    "urn:ihe:qrph:cs9:2012": 2,
    "urn:asip:ci-sis:cse-cs24:2017": 3,
    "urn:ihe:qrph:cs24:2012": 3,
    "urn:ans:ci-sis:cse-mde:2023": 0,
}
#: What is found at one look: of each certificate the newest is shown, and the measures.
MOST = 4
_DAY = re.compile(r"(\d{4})(\d\d)(\d\d)", re.ASCII)
#: IHE PCC, Vital Signs Observation; and the one of a pregnancy, which is the mother's.
_VITAL, _PREGNANCY = "1.3.6.1.4.1.19376.1.5.3.1.4.13.2", "1.3.6.1.4.1.19376.1.5.3.1.4.13.5"
#: LOINC: labour and delivery information; what is measured there is of the day of birth.
_BIRTH = "57075-4"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A document that is a certificate.

    Attributes:
        number: 1 to 3; 0 for the measures.
        id, title: of the document.
        day: of the examination, YYYY-MM-DD or part of it; "" where it is not said.
        content: id of the Binary that it is; "" for none that is CDA.
    """

    number: int
    id: str
    title: str
    day: str
    content: str


def certificates(trees: list[Mapping[str, Any]]) -> list[Certificate]:
    """Those among documents, the newest first as they came: one of each number."""
    found: dict[int, Certificate] = {}
    for tree in trees:
        for content in tree.get("content", ())[:1]:
            number = FORMATS.get(str((content.get("format") or {}).get("code")))
            if number is not None:
                found.setdefault(number, _certificate(number, tree, content.get("attachment") or {}))
    return list(found.values())


def _certificate(number: int, tree: Mapping[str, Any], attachment: Mapping[str, Any]) -> Certificate:
    url = str(attachment.get("url", ""))
    binary = url.rpartition("Binary/")[2].partition("/")[0] if "Binary/" in url else ""
    is_cda = "xml" in str(attachment.get("contentType", ""))
    start = str((tree.get("context") or {}).get("period", {}).get("start") or tree.get("date") or "")
    return Certificate(number, tree["id"], str(attachment.get("title", "")), start[:10], binary if is_cda else "")


def measured(content: bytes, born: date, sex: str | None) -> list[Grown]:
    """The child's measures in a certificate; [] of what cannot be read."""
    try:
        root = read(content)
    except FhirError:
        return []
    otherwise = _day(root.value("documentationOf/serviceEvent/effectiveTime/low")) or _day(root.value("effectiveTime"))
    rows = [_grown(node, day, born, sex) for node, day in _vitals(root, otherwise, born)]
    return [one for one in rows if one is not None]


def _vitals(root: Node, otherwise: date | None, born: date) -> Iterator[tuple[Node, date]]:
    """Each vital sign of the child, with the day that it was measured on."""
    waiting: list[tuple[Node, date | None, bool]] = [(root, otherwise, False)]
    while waiting:
        node, day, at_birth = waiting.pop()
        at_birth = at_birth or (node.name == "section" and node.value("code", "code") == _BIRTH)
        said = _day(node.value("effectiveTime")) if node.name in ("observation", "organizer") else None
        # What is measured at birth is of that day, whatever day the midwife wrote it down on.
        day = born if at_birth else said or day
        if node.name == "observation" and _is_child_s(node) and day is not None:
            yield node, day
        waiting += [(one, day, at_birth) for one in node.elements]


def _is_child_s(node: Node) -> bool:
    roots = {one.get("root") for one in node.all("templateId")}
    return _VITAL in roots and _PREGNANCY not in roots and not node.all("subject")


def _grown(node: Node, day: date, born: date, sex: str | None) -> Grown | None:
    code, value = node.value("code", "code"), node.value("value")
    if ALIKE.get(code) not in GROWTH or not re.fullmatch(r"\d{1,6}(\.\d{1,4})?", value, re.ASCII):
        return None
    return grown(code, day, float(value), node.value("value", "unit"), born, sex, "certificate")


def _day(said: str) -> date | None:
    found = _DAY.match(said)
    try:
        return None if found is None else date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return None
