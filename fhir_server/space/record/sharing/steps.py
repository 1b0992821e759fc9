"""What sharing adds to every write of a document, in order: its form, its name, what it replaces, its content."""

from __future__ import annotations

from fhir_server.interactions.pipeline import Step
from fhir_server.space.record.sharing import dmp_codes, lots, named_content, replacing, simplified, unique

_DOCUMENTS = frozenset({"DocumentReference"})

SHARING: tuple[Step, ...] = (
    Step("lots", frozenset({"DocumentReference", "List"}), together=lots.together),
    Step("dmp-codes", _DOCUMENTS, validate=dmp_codes.validate),
    Step("simplified-publish", _DOCUMENTS, arrange=simplified.arrange),
    Step("master-identifier", _DOCUMENTS, arrange=unique.arrange, judge=unique.judge),
    Step("replacement", _DOCUMENTS, complete=replacing.complete),
    Step("named-content", _DOCUMENTS, complete=named_content.complete),
)
