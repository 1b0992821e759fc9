"""Document sharing: IHE MHD's own profiles, lots with every kind of entry, and the answers to searches.

https://profiles.ihe.net/ITI/MHD, https://interop.esante.gouv.fr/ig/fhir/pdsm
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.profiles import resources as r
from tests.profiles import sharing as s
from tests.profiles.judging import JUDGE, Rule, errors, said, valid
from tests.profiles.resources import changed

VALID = valid(s)


@pytest.mark.parametrize("name", VALID)
def test_a_valid_resource_of_each_profile_passes_without_a_word(name: str):
    assert said(VALID[name]) == []


D, L, B, P = "DocumentReference", "List", "Bundle", "Parameters"
OPERATION = f"{P}.parameter[0]"
RULES: list[Rule] = [
    (s.MINIMAL, "masterIdentifier", None, "cardinality-min", f"{D}.masterIdentifier"),
    (s.MINIMAL, "masterIdentifier.system", None, "cardinality-min", f"{D}.masterIdentifier.system"),
    (s.MINIMAL, "identifier.0.value", "urn:oid:1.2.3", "mhd-startswithuuid", f"{D}.identifier[0].value"),
    (s.MINIMAL, "identifier.0.system", "http://example.org/x", "fixed-value", f"{D}.identifier[0].system"),
    (s.MINIMAL, "docStatus", "final", "cardinality-max", f"{D}.docStatus"),
    (s.MINIMAL, "content.0.attachment.data", "YWJj", "cardinality-max", f"{D}.content[0].attachment.data"),
    (s.MINIMAL, "content.0.attachment.url", None, "cardinality-min", f"{D}.content[0].attachment.url"),
    (s.UNCONTAINED, "context", None, "cardinality-min", f"{D}.context"),
    (s.UNCONTAINED, "securityLabel", None, "cardinality-min", f"{D}.securityLabel"),
    (s.COMPREHENSIVE, "author.1", {"reference": "Practitioner/1"}, "reference-aggregation", f"{D}.author[1].reference"),
    (s.SIMPLE, "masterIdentifier", None, "cardinality-min", f"{D}.masterIdentifier"),
    (s.SIMPLE, "identifier", [{"value": "1"}], "cardinality-max", f"{D}.identifier"),
    (s.SIMPLE, "status", "superseded", "pattern-value", f"{D}.status"),
    (s.SUBMISSION, "identifier.0.value", "urn:uuid:3c2f0c5e", "mhd-startswithoid", f"{L}.identifier[0].value"),
    (s.SUBMISSION, "date", None, "cardinality-min", f"{L}.date"),
    (s.SUBMISSION, "source", {"reference": "PractitionerRole/1"}, "reference-aggregation", f"{L}.source.reference"),
    (s.SUBMISSION, "entry.0.flag", {"text": "x"}, "cardinality-max", f"{L}.entry[0].flag"),
    (s.SUBMISSION, "note", [{"text": "a"}, {"text": "b"}], "cardinality-max", f"{L}.note"),
    (s.FOLDER, "title", None, "cardinality-min", f"{L}.title"),
    (s.FOLDER, "source", {"reference": "Device/1"}, "cardinality-max", f"{L}.source"),
    (s.PATCH, "parameter.0.name", "other", "cardinality-min", f"{P}.parameter"),
    (s.PATCH, "parameter.0.part.0.valueCode", "delete", "pattern-value", f"{OPERATION}.part[0].value"),
    (s.PATCH, "parameter.0.part.1.valueString", "x", "pattern-value", f"{OPERATION}.part[1].value"),
    (s.PATCH, "parameter.0.part.2.valueCode", "current", "pattern-value", f"{OPERATION}.part[2].value"),
    (s.PATCH, "parameter.0.part.2", None, "cardinality-min", f"{OPERATION}.part"),
    (s.LOT, "entry.3.request.method", "PUT", "pdsm-bundle-method", f"{B}.entry[3].request.method"),
    (
        s.LOT,
        "entry.3.resource.parameter.0.part.2.valueCode",
        "current",
        "pattern-value",
        f"{B}.entry[3].resource.parameter[0].part[2].value",
    ),
    (s.LOT, "entry.0.resource.code.coding.0.code", "other", "pdsm-bundle-list", B),
    (s.LOT, "entry.5", s.LOT["entry"][0], "pdsm-bundle-submissionset", B),
    (s.MHD_LOT, "entry.4.request.method", "DELETE", "mhd-bundle-method", f"{B}.entry[4].request.method"),
    (s.MHD_LOT, "entry.0.resource.code.coding.0.code", "other", "mhd-bundle-list", B),
    (s.MHD_LOT, "entry.2", r.entry({"resourceType": "Basic", "code": {"text": "x"}}), "mhd-bundle-closed", B),
    (s.MINIMAL_LOT, "entry.2", s.MINIMAL_LOT["entry"][0], "mhd-bundle-submissionset", B),
    (s.ANSWER, "entry.0.response.location", None, "cardinality-min", f"{B}.entry[0].response.location"),
    (s.LISTS, "total", None, "cardinality-min", f"{B}.total"),
    (s.LISTS, "entry.0.fullUrl", None, "cardinality-min", f"{B}.entry[0].fullUrl"),
    (s.LISTS, "entry.0.resource.date", None, "cardinality-min", f"{B}.entry[0].resource.date"),
    (s.LISTS, "entry.1.resource", {"resourceType": "Binary", "contentType": "a/b"}, "mhd-find-lists", B),
    (s.DOCUMENTS, "entry.0.resource.custodian", None, "cardinality-min", f"{B}.entry[0].resource.custodian"),
    (s.MINIMAL_DOCUMENTS, "type", "collection", "fixed-value", f"{B}.type"),
]


@pytest.mark.parametrize(("tree", "path", "value", "key", "at"), RULES)
def test_one_change_breaks_one_rule(tree: dict[str, Any], path: str, value: Any, key: str, at: str):
    assert (key, at) in errors(changed(tree, path, value))


@pytest.mark.parametrize("path", ["extension", "extension.0"])
def test_what_lacks_slices_is_told_which(path: str):
    """https://hl7.org/fhir/R4/profiling.html#slicing; the name of the element alone sends its author to the profile."""
    [text] = [i.diagnostics for i in JUDGE.validate(changed(r.SUBMISSION, path, None)) if i.severity == "error"]
    assert "designationType" in text and "sourceId" in text
