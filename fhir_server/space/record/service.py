"""The medical record: documents that arrive, are found, hidden and shown as the law says.

https://interop.esante.gouv.fr/ig/fhir/pdsm (a profile of IHE MHD); CSP R1111-26 to R1111-53.
"""

from __future__ import annotations

from fhir_server.access.rules import Rule
from fhir_server.interactions.pipeline import Step
from fhir_server.space.record import (
    care_teams,
    choice_step,
    clinical_writers,
    default_mask,
    label_step,
    mask_marks,
    metadata_patches,
    open_records,
    reading_rules,
    writing,
)
from fhir_server.space.record.choices import CHOICE
from fhir_server.space.record.clinical import AUTHORS, CLINICAL
from fhir_server.space.record.content import step as content_step
from fhir_server.space.record.personal_lists import PRIVATE
from fhir_server.space.record.sharing.steps import SHARING
from fhir_server.space.record.sharing.words import LIST_TYPES, LIST_TYPES_MISSPELT
from fhir_server.space.service import Service

_HERE = "fhir_server.space.record"
_DOCUMENTS = frozenset({"DocumentReference"})

#: Choices change by the record's own operation alone.
_KEPT = Rule(
    "record-choices-kept", "kept by the space: it changes by $record-choose", frozenset(), kept={"Consent": CHOICE}
)

RECORD = Service(
    "record",
    rules=(_KEPT, PRIVATE, *reading_rules.RULES),
    steps=(
        *SHARING,
        Step("document-patches", _DOCUMENTS, spelled=metadata_patches.spelled, patched=metadata_patches.patched),
        # Before labels are given their one spelling: what "normal" takes the place of is told by it.
        Step("document-masks", _DOCUMENTS, arrange=mask_marks.arrange),
        Step("label-places", validate=label_step.places),
        Step("labels", _DOCUMENTS, validate=label_step.validate, arrange=label_step.arrange),
        Step("title-and-viruses", _DOCUMENTS, judge=content_step.judge_document),
        Step("document-default-masks", _DOCUMENTS, arrange=default_mask.arrange),
        Step("document-writes", _DOCUMENTS, arrange=writing.arrange, judge=writing.judge),
        Step(
            "clinical-writers", clinical_writers.WRITTEN, arrange=clinical_writers.arrange, judge=clinical_writers.judge
        ),
        Step("open-records", _DOCUMENTS | CLINICAL, complete=open_records.complete),
        Step("document-content", frozenset({"Binary"}), judge=writing.content),
        Step("content-kind", frozenset({"Binary"}), judge=content_step.judge),
        Step("care-teams", frozenset({"CareTeam"}), judge=care_teams.judge),
        Step("record-choice-id", frozenset({"Consent"}), judge=choice_step.one_id),
    ),
    ruled=f"{_HERE}.gate:rules",
    rows={
        **dict.fromkeys(AUTHORS, f"{_HERE}.clinical:wrote"),
        "CareTeam": f"{_HERE}.rows:care_teams",
        "Consent": f"{_HERE}.rows:consents",
        "DocumentReference": f"{_HERE}.rows:documents",
        "List": f"{_HERE}.rows:lists",
        "Provenance": f"{_HERE}.rows:provenances",
    },
    operations={
        "Patient-record-choices": f"{_HERE}.choice_operations:read",
        "Record-access-explain": f"{_HERE}.explaining:explain",
        "Patient-record-choose": f"{_HERE}.choice_operations:choose",
        "DocumentReference-docref": f"{_HERE}.sharing.docref:docref",
        "DocumentReference-generate-metadata": f"{_HERE}.cda.operations:generate_metadata",
        "DocumentReference-file-cda": f"{_HERE}.cda.operations:file_cda",
        "DocumentReference-show": f"{_HERE}.showing.operation:show",
    },
    jobs=f"{_HERE}.told:jobs",
    pages=f"{_HERE}.pages.rows:pages",
    demands={
        "DocumentReference": f"{_HERE}.sharing.demands:documents",
        "List": f"{_HERE}.sharing.demands:lists",
    },
    systems={LIST_TYPES_MISSPELT: LIST_TYPES},
)
