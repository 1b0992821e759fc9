"""FHIR XML and FHIR JSON, each from the other without loss: digits, extensions of primitives, contained, narrative.

https://hl7.org/fhir/R4/xml.html, https://hl7.org/fhir/R4/json.html
"""

from __future__ import annotations

import msgspec

from fhir_server.fhir.xml_reader import Position, Reader
from fhir_server.fhir.xml_writer import Writer

_encode = msgspec.json.encode


def to_json(xml: bytes, max_depth: int = 64) -> bytes:
    """The resource in `xml` as JSON.

    Elements may come in any order; what JSON cannot say (comments, processing instructions, `xsi:schemaLocation`) is
    dropped.

    Raises:
        Malformed: not well-formed XML, a document type declaration, not UTF-8, another namespace than FHIR's, an
            element or attribute R4 does not have, a boolean or number that is none, or nested deeper than `max_depth`.
            Every issue has its line and column.
    """
    return _encode(Reader(xml, max_depth).tree)


def to_xml(json: bytes, pretty: bool = False, max_depth: int = 96) -> bytes:
    """The resource in `json` as XML, with an XML declaration; one element a line if `pretty`.

    Raises:
        Malformed: it does not have the shape of its type, or holds a character that XML cannot write.
    """
    return Writer(max_depth, pretty).written(json)


def positions(xml: bytes, max_depth: int = 64) -> dict[str, Position]:
    """Line and column, both from 1, of every element by FHIRPath (`Patient.name[0].family`).

    A choice element is found as FHIRPath writes it (`Patient.deceased`) and as it is named (`Patient.deceasedBoolean`).

    Raises:
        Malformed: as `to_json`.
    """
    return Reader(xml, max_depth, places=True).positions
