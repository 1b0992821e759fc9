"""A record for tests of its pages: documents of an invented patient, each the smallest that a page can tell of."""

from __future__ import annotations

import base64
from typing import Any

from tests.server.closed import ROOT, Space
from tests.site.catalogue import a_patient
from tests.smart.browser import Browser, a_person

NOS = "https://mos.esante.gouv.fr/NOS"
TYPES = f"{NOS}/TRE_A05-TypeDocComplementaire/FHIR/TRE-A05-TypeDocComplementaire"
VISIBILITY = f"{NOS}/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"
CONFIDENTIALITY = f"{NOS}/TRE_A08-HL7Confidentiality/FHIR/TRE-A08-HL7Confidentiality"
LOINC = "http://loinc.org"
PDF = b"%PDF-1.4\n%%EOF\n"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


async def a_document(
    space: Space,
    id: str = "d1",
    title: str = "Analyse de sang",
    type: str = "11502-2",
    system: str = LOINC,
    label: str = "N",
    patient: str = "p1",
    author: str = "Practitioner/d1",
    media_type: str = "application/pdf",
    body: bytes = PDF,
    **more: Any,
) -> dict[str, Any]:
    """A document with its content, filed by the server's own hand."""
    labels = CONFIDENTIALITY if label in "NRV" else VISIBILITY
    content = {"resourceType": "Binary", "id": f"b-{id}", "contentType": media_type}
    await space.put(
        {
            **content,
            "securityContext": {"reference": f"DocumentReference/{id}"},
            "data": base64.b64encode(body).decode(),
        }
    )
    return await space.put(
        {
            "resourceType": "DocumentReference",
            "id": id,
            "status": "current",
            "type": {"coding": [{"system": system, "code": type}]},
            "subject": {"reference": f"Patient/{patient}"},
            "date": "2026-03-04T09:00:00Z",
            "author": [{"reference": author}],
            "securityLabel": [{"coding": [{"system": labels, "code": label}]}],
            "content": [
                {
                    "attachment": {
                        "contentType": media_type,
                        "url": f"Binary/b-{id}",
                        "size": len(body),
                        "title": title,
                    }
                }
            ],
            "context": {"period": {"start": "2026-03-03"}},
            **more,
        }
    )


async def a_record(space: Space) -> None:
    """A patient and their doctor."""
    await a_patient(space)
    await space.put({"resourceType": "Practitioner", "id": "d1", "name": [{"family": "EXEMPLE", "given": ["Zoé"]}]})


async def signed_in(space: Space, login: str = "nathalie", subject: str = "Patient/p1", **changes: Any) -> Browser:
    """The browser of somebody who signed in."""
    await a_person(space, login, subject, **changes)
    browser = Browser(space)
    await browser.sign_in(await browser.http.get("/auth/sign-in"), login)
    return browser


async def send(browser: Browser, action: str, page: str = "/auth/me", files: Any = None, **fields: Any) -> Any:
    """A form sent from `page`, and where it leads."""
    shown = (await browser.http.get(page)).text
    word = shown.partition('name="word" value="')[2].partition('"')[0]
    data = {"word": word, **fields}
    answer = await browser.http.post(action, data=data, files=files, headers={"Origin": ROOT})
    return await browser._followed(answer)
