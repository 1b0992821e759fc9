"""Reads a CDA document out of the bytes of a file that nobody vouches for.

https://www.w3.org/TR/xml/, HL7 CDA R2 §4.2. A document type declaration is refused, so that no entity is ever expanded
and nothing is ever fetched; processing instructions, stylesheets among them, are passed over. Some software sends the
stylesheet with the document inside it, so that a browser shows the file by itself: the ClinicalDocument is taken out
of it, and the stylesheet never runs.
"""

from __future__ import annotations

from pyexpat import ExpatError, ParserCreate, XMLParserType
from typing import Any

from fhir_server.fhir.outcome import FhirError, Invalid, Issue, Malformed
from fhir_server.space.record.cda.tree import HL7, Node
from fhir_server.work.budget import BYTES, spend

#: Elements inside one another; published documents have twenty at most.
DEEPEST = 100
#: Elements of one document; the longest published has 2,400.
MOST_ELEMENTS = 100_000
#: Elements of its header; published ones have 400.
MOST_IN_HEADER = 5_000
#: Elements between two looks at the budget: one is about two microseconds.
_TURN = 500
#: The one type of document there is: https://terminology.hl7.org/CodeSystem-v3-hl7Realm.html, CDA R2 §4.2.1.
TYPE_ID = ("2.16.840.1.113883.1.3", "POCD_HD000040")
_PREFIX = f"{HL7} "
_ROOT = "ClinicalDocument"


def read(document: bytes) -> Node:
    """The ClinicalDocument in a file.

    Raises:
        Malformed: not XML, or XML that is never read (a document type declaration) (400).
        Invalid: no ClinicalDocument in it, several, not of CDA R2, or more than a document may have (422).
    """
    spend(len(document) // BYTES)
    root = _Reading(document).root
    type = root.first("typeId")
    if type is None or (type.get("root"), type.get("extension")) != TYPE_ID:
        raise refused("The document does not say that it is CDA R2 (POCD_HD000040).", type or root, "typeId")
    if sum(1 for part in root.elements if part.name != "component" for _ in part.walk()) > MOST_IN_HEADER:
        raise refused(f"The header has more than {MOST_IN_HEADER} elements.", root)
    return root


def is_cda(document: bytes) -> bool:
    """Whether a file is a CDA document, by its beginning: a ClinicalDocument, or a stylesheet around one."""
    head = document[:65_536]
    return b"ClinicalDocument" in head or (HL7.encode() in head and b"<" in head)


def refused(words: str, node: Node, path: str = "", key: str | None = None) -> Invalid:
    """A refusal that names an element of the document by its path and place."""
    return Invalid(issues=[issue(words, node, path, key=key)])


def issue(words: str, node: Node, path: str = "", severity: Any = "error", key: str | None = None) -> Issue:
    """What is to be said of an element.

    Args:
        words: with nothing of the patient's in them.
        node: where it stands in the file, or the nearest element that is there.
        path: below ClinicalDocument ("recordTarget/patientRole/id").
        severity: of the issue.
        key: of the rule.
    """
    steps = [_ROOT, *(step for step in path.split("/") if step)]
    code = "invalid" if severity == "error" else "informational" if severity == "information" else "business-rule"
    words = f"{words} (/{'/'.join(steps)})"
    return Issue(severity, code, words, ".".join(steps), key, line=node.line, column=node.column)


class _Reading:
    """One reading of one file; `root` is what was found."""

    def __init__(self, document: bytes) -> None:
        self._stack: list[Node] = []
        self._outside = 0  # elements open around, or beside, the document
        self._count = 0
        self._found: list[Node] = []
        # The file is kept as it is and must read the same later, without HTTP: its own declaration says how.
        self._parser: XMLParserType = ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._open
        self._parser.EndElementHandler = self._close
        self._parser.CharacterDataHandler = self._text
        try:
            self._parser.Parse(document, True)
        except (ExpatError, LookupError, ValueError) as error:
            raise self._unread(error) from None
        if len(self._found) != 1:
            words = "There is no ClinicalDocument of CDA R2 (urn:hl7-org:v3) in the file."
            raise Invalid(words if not self._found else "The file has more than one ClinicalDocument.", _ROOT)
        self.root = self._found[0]

    def _unread(self, error: Exception) -> FhirError:
        line, column = getattr(error, "lineno", 1), getattr(error, "offset", 0) + 1
        reason = str(error).partition(":")[0] if isinstance(error, ExpatError) else "unknown encoding"
        return Malformed(issues=[Issue("error", "structure", f"Not XML: {reason}.", line=line, column=column)])

    def _stop(self, words: str, code: str) -> None:
        line, column = self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1
        kind = Malformed if code == "structure" else Invalid
        raise kind(issues=[Issue("error", code, words, _ROOT, line=line, column=column)])

    def _doctype(self, *_: Any) -> None:
        self._stop("A document type declaration is not allowed.", "structure")

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count % _TURN == 0:
            spend(_TURN // 2)
        if self._count > MOST_ELEMENTS:
            self._stop(f"More than {MOST_ELEMENTS} elements.", "too-costly")
        if len(self._stack) + self._outside >= DEEPEST:
            self._stop(f"Nested deeper than {DEEPEST} elements.", "too-costly")
        local = name.removeprefix(_PREFIX)
        if not self._stack and (local == name or local != _ROOT):
            self._outside += 1
            return
        node = Node(local, attributes, self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1)
        if self._stack:
            self._stack[-1].children.append(node)
        else:
            self._found.append(node)
        self._stack.append(node)

    def _close(self, _: str) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._outside -= 1

    def _text(self, text: str) -> None:
        if self._stack:
            self._stack[-1].children.append(text)
