"""An invented child with a parent, and what a record may have of them."""

from __future__ import annotations

import base64
from datetime import date, timedelta
from typing import Any

from tests.server.closed import Space
from tests.site.records import a_record

Tree = dict[str, Any]
BORN = date.today() - timedelta(days=400)  # noqa: DTZ011 - no test hangs on which day it is in which zone
CHILD = {"reference": "Patient/child"}
TYPES = "https://mos.esante.gouv.fr/NOS/TRE_A05-TypeDocComplementaire/FHIR/TRE-A05-TypeDocComplementaire"


def on(days: int) -> str:
    """The day on which the child was so many days old."""
    return (BORN + timedelta(days=days)).isoformat()


def a_child(**more: Any) -> Tree:
    name = [{"family": "DEMO", "given": ["Lou"]}]
    tree = {"resourceType": "Patient", "id": "child", "birthDate": BORN.isoformat(), "gender": "female", "name": name}
    return {**tree, "active": True, **more}


def observation(id: str, code: str, value: float, unit: str, day: str, **more: Any) -> Tree:
    quantity = {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    coded = {"coding": [{"system": "http://loinc.org", "code": code}]}
    return {"resourceType": "Observation", "id": id, "status": "final", "code": coded, "subject": CHILD,
            "effectiveDateTime": day, "valueQuantity": quantity, **more}  # fmt: skip


def an_immunization(id: str, words: str, day: str, **more: Any) -> Tree:
    return {"resourceType": "Immunization", "id": id, "status": "completed", "patient": CHILD,
            "vaccineCode": {"text": words}, "occurrenceDateTime": day, **more}  # fmt: skip


def cda(*sections: str) -> bytes:
    """A certificate with these sections inside; no more of CDA than is read."""
    inside = "".join(f"<component>{one}</component>" for one in sections)
    return (
        '<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        '<typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>'
        f'<effectiveTime value="{on(250).replace("-", "")}100000+0100"/>'
        f"<component><structuredBody>{inside}</structuredBody></component></ClinicalDocument>"
    ).encode()


def vital(code: str, value: str, unit: str, template: str = "1.3.6.1.4.1.19376.1.5.3.1.4.13.2", more: str = "") -> str:
    return (
        f'<entry><observation classCode="OBS" moodCode="EVN"><templateId root="{template}"/><code code="{code}"/>'
        f'<effectiveTime nullFlavor="NA"/><value xsi:type="PQ" value="{value}" unit="{unit}"/>{more}</observation></entry>'
    )


def section(code: str, *entries: str) -> str:
    return f'<section><code code="{code}"/>{"".join(entries)}</section>'


def a_certificate(id: str, format: str, body: bytes, **more: Any) -> list[Tree]:
    """A certificate, and the Binary that it is."""
    binary = {"resourceType": "Binary", "id": f"b-{id}", "contentType": "text/xml",
              "securityContext": {"reference": f"DocumentReference/{id}"}, "data": base64.b64encode(body).decode()}  # fmt: skip
    attachment = {"contentType": "text/xml", "url": f"Binary/b-{id}", "title": f"Certificat {id}"}
    tree = {
        "resourceType": "DocumentReference", "id": id, "status": "current", "subject": CHILD,
        "type": {"coding": [{"system": TYPES, "code": "CERT_DECL"}]}, "date": f"{on(250)}T10:00:00Z",
        "author": [{"reference": "Practitioner/d1"}],
        "content": [{"attachment": attachment, "format": {"system": "urn:f", "code": format}}],
        "context": {"period": {"start": on(250)}}, **more,
    }  # fmt: skip
    return [binary, tree]


async def a_family(space: Space, **more: Any) -> None:
    """A parent (p1), their doctor (d1), and the child."""
    await a_record(space)
    await space.put({"resourceType": "Patient", "id": "p1", "birthDate": "1990-01-01"})
    await space.put(a_child(**more))
