"""`MANIFEST.XML`: what is in an archive, how much, and by which SHA-256 it is known to be whole.

The shape is that of the national rules for practice software (exportId, extractTime, exportType, exportStatus, counts,
files with size and hash), which bind no national space: a namespace of our own says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.etree import ElementTree as XML

from fhir_server.fhir.version import VERSION
from fhir_server.space.portability.packing import Packed

NAMESPACE = "https://fhir-server.example/portability/1"
XML.register_namespace("", NAMESPACE)


@dataclass(frozen=True, slots=True)
class Told:
    """What a manifest tells besides the files.

    Attributes:
        id: of the export.
        at: when the data were looked at; aware.
        whole: whether nothing that should be there is lacking.
        counts: type → how many resources.
        lacking: of which Binaries the content could not be read, as references.
    """

    id: str
    at: datetime
    whole: bool
    counts: Mapping[str, int]
    lacking: Sequence[str] = ()


def manifest(told: Told, files: Sequence[Packed]) -> bytes:
    """The XML, in UTF-8; it names every file but itself."""
    root = XML.Element(_named("manifest"))
    _put(root, "exportId", told.id)
    _put(root, "extractTime", told.at.isoformat(timespec="seconds"))
    _put(root, "exportType", "UNITAIRE")
    _put(root, "exportStatus", "COMPLETE" if told.whole else "PARTIAL")
    software = XML.SubElement(root, _named("software"))
    _put(software, "name", "fhir-server")
    _put(software, "version", VERSION)
    counts = XML.SubElement(root, _named("counts"), files=str(len(files)), bytes=str(sum(one.size for one in files)))
    for type, count in sorted(told.counts.items()):
        XML.SubElement(counts, _named("resources"), type=type, count=str(count))
    listed = XML.SubElement(root, _named("files"))
    for one in files:
        row = XML.SubElement(listed, _named("file"))
        _put(row, "path", one.path)
        _put(row, "mediaType", one.media_type)
        _put(row, "size", str(one.size))
        _put(row, "sha256", one.sha256)
        if one.source:
            _put(row, "source", one.source)
    lacking = XML.SubElement(root, _named("lacking"))
    for reference in told.lacking:
        _put(lacking, "source", reference)
    XML.indent(root)
    written: bytes = XML.tostring(root, encoding="UTF-8", xml_declaration=True)
    return written


def _put(parent: XML.Element, name: str, text: str) -> None:
    # XML 1.0 §2.2: what is no character of it cannot be written, escaped or not.
    XML.SubElement(parent, _named(name)).text = "".join(one for one in text if one >= " ")


def _named(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"
