"""What of a document's content is shown as a page: by what it is, whatever it is called.

A CDA document is XML and so is a FHIR one: the root element tells. Any other content (a PDF, a picture, text) is no
matter of this folder.
"""

from __future__ import annotations

from fhir_server.http.long_bodies import conversion
from fhir_server.site.words import Language
from fhir_server.space.record.content.kinds import names
from fhir_server.space.record.showing import cda, fhir_document
from fhir_server.space.record.showing.cda import Shown

#: Media types of content that may be a document to show.
XML = names("application/xml") | {"application/fhir+xml"}
JSON = frozenset({"application/fhir+json", "application/json"})
DOCUMENTS = XML | JSON
_HEAD = 65_536
#: From this size on, in bytes, a document is read away from the event loop.
_LONG = 20_000


def shown(content: bytes, media_type: str, language: Language = "fr", zone: str = "Europe/Paris") -> Shown | None:
    """A document as people read it; None for content that is shown otherwise, or not at all.

    Args:
        content: the bytes.
        media_type: as it is declared, parameters and all.
        language: of the words around the document's own.
        zone: IANA name of the zone in which people read.

    Raises:
        Malformed: a document that cannot be read (400).
        Invalid: not the document it says it is, or more than can be shown (422).
    """
    kind = media_type.partition(";")[0].strip().lower()
    if kind in JSON:
        return fhir_document.shown(content, False, language, zone) if b"Composition" in content else None
    if kind not in XML:
        return None
    head = content[:_HEAD]
    if b"http://hl7.org/fhir" in head and b"urn:hl7-org:v3" not in head:
        return fhir_document.shown(content, True, language, zone)
    return cda.shown(content, language, zone)


async def shown_apart(content: bytes, media_type: str, language: Language, zone: str) -> Shown | None:
    """As `shown`, in the process beside this one where the document is long.

    Raises:
        Unavailable: too much is waiting for it (503).
        TooCostly: it takes longer than it may (400).
    """
    if len(content) < _LONG:
        return shown(content, media_type, language, zone)
    return await conversion(shown, content, media_type, language, zone)
