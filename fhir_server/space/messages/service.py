"""Secure messages: exchanges that professionals begin and patients answer, by the rules of the national service.

https://fhir-server.example/StructureDefinition/ens-message, a profile of
https://hl7.org/fhir/R4/communication.html of this server's own.
"""

from __future__ import annotations

from fhir_server.interactions.pipeline import Step
from fhir_server.space.messages import (
    attachments,
    citations,
    conditions,
    content,
    documents,
    ending,
    reading_rules,
    writing,
)
from fhir_server.space.service import Service

_HERE = "fhir_server.space.messages"
_MESSAGES = frozenset({"Communication"})

MESSAGES = Service(
    "messages",
    rules=reading_rules.RULES,
    steps=(
        Step("messages", _MESSAGES, validate=writing.validate, arrange=writing.arrange, judge=writing.judge),
        Step("message-ends", _MESSAGES, together=ending.together, complete=ending.complete),
        Step("message-files", _MESSAGES, together=attachments.together, complete=attachments.complete),
        Step("message-documents", _MESSAGES, together=documents.together, complete=documents.complete),
        Step("message-references", _MESSAGES, complete=citations.complete),
        Step("message-conditions", _MESSAGES, complete=conditions.complete),
        Step("message-content", frozenset({"Binary"}), judge=content.kept, complete=content.complete),
    ),
    operations={
        "Communication-end": f"{_HERE}.operations:end",
        "Communication-mark-read": f"{_HERE}.operations:mark_read",
        "Communication-save-attachment": f"{_HERE}.saving:save_attachment",
        "Patient-unread": f"{_HERE}.operations:unread",
    },
    jobs=f"{_HERE}.told:jobs",
    pages=f"{_HERE}.pages.rows:pages",
    rows={"Communication": f"{_HERE}.rows:communications"},
)
