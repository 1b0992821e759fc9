"""Files of the catalogue's apps, at every stage of their way in and out: the steps of `seed/referencing.csv`.

No national guide says how a file is a Task: https://fhir-server.example/StructureDefinition/ens-task-referencing is
this project's own profile. The steps are those of `space.catalogue.steps`, taken by the catalogue's invented staff.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, time, timedelta
from functools import cache
from typing import Any

import msgspec

from fhir_server.fhir.definitions import folder
from fhir_server.population.tables import rows
from fhir_server.population.world import PARIS, World
from fhir_server.space.catalogue import dossiers
from fhir_server.space.catalogue.apps import App
from fhir_server.space.catalogue.dossiers import Dossier, Opinion, Result, State, Taken
from fhir_server.space.catalogue.impact_assessment import Attached
from fhir_server.space.catalogue.steps import rows as ways

#: Days between one step and the next.
_PACE = 6
#: Step → the reason given for it.
_REASONS = {
    "return": "Il manque la procédure de gestion des incidents (SEC-07).",
    "abandon": "La version suivante est presque prête : elle la remplace.",
    "opine": "Le service est utile et proportionné ; l'information des personnes est claire.",
    "accept": "Conforme aux référentiels ; avis de la commission suivi.",
    "refuse": "La conservation demandée est plus longue que ce que la finalité justifie.",
    "suspend": "Une faille de sécurité signalée n'est pas encore corrigée.",
    "resume": "La faille est corrigée et le correctif vérifié.",
    "take-offline": "Le service est en pause pour travaux.",
    "dereference": "L'éditeur a cessé d'assurer la maintenance du service.",
}
_UNMET = Result("not-met", "La procédure n'est pas jointe au dossier.")


def files(world: World, apps: dict[str, App], staff: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Each file's Task, followed by the Binary of its impact assessment.

    Args:
        world: of the run.
        apps: the catalogue's, by the client id that stands in the tables.
        staff: "Person/1" by duty; a publisher's by its Organization.
    """
    for number, row in enumerate(rows("referencing"), 1):
        app = replace(apps[row["client"]], version=row["version"])
        if row["retention"]:
            app = replace(app, purposes=(replace(app.purposes[0], retention=row["retention"]), *app.purposes[1:]))
        dossier = _dossier(world, row, number, app, staff)
        assessment = Attached(f"Analyse d'impact de {app.name}.pdf", _pdf(app))
        if app.exchanges:
            binary = world.id("dpia", number)
            dossier = replace(dossier, dpia=assessment.attachment(binary, dossier.steps[0].at))
        yield dossiers.to_task(dossier)
        if app.exchanges:
            yield {**assessment.resource(dossier.id), "id": binary}


def _dossier(world: World, row: dict[str, str], number: int, app: App, staff: dict[str, str]) -> Dossier:
    taken: list[Taken] = []
    state: State = "filed"
    began = datetime.combine(world.day - timedelta(days=int(row["days"])), time(9, 30), PARIS)
    for n, step in enumerate(row["steps"].split()):
        way = next((one for one in ways(step) if state in one.sources), None)
        duty, before = (way.duty, state) if way else ("publisher", "")
        state = way.target if way else "filed"
        by = staff[app.publisher if duty == "publisher" else duty]
        opinion: Opinion | None = "favourable" if step == "opine" else None
        at = began + timedelta(days=n * _PACE, minutes=n * 17)
        taken.append(Taken(step, at, by, duty, before, state, _REASONS.get(step, ""), opinion))
    results = {code: Result("met") for code in _criteria(app.exchanges)} if "verify" in row["steps"] else {}
    return Dossier(
        id=world.id("dossier", number),
        app=app.id,
        publisher=app.publisher,
        state=state,
        proposed=app,
        answers={one["link"]: one["answer"] for one in rows("referencing-answers")},
        results=results or ({"SEC-07": _UNMET} if state == "incomplete" else {}),
        steps=tuple(taken),
    )


@cache
def _criteria(exchanges: bool) -> tuple[str, ...]:
    """Codes of the criteria that an app is held to, in order."""
    tree = msgspec.json.decode((folder("profiles") / "ens" / "CodeSystem-ens-criterion.json").read_bytes())
    asked = {one["code"]: {p["code"]: p.get("valueBoolean") for p in one["property"]} for one in tree["concept"]}
    return tuple(code for code, said in asked.items() if exchanges or not said.get("exchanging"))


def _pdf(app: App) -> bytes:
    """One page of plain text: ISO 32000-1 §7.5, a file of five objects and the table of where they begin."""
    said = [f"Analyse d'impact - {app.name} {app.version}", "", *(f"- {one.label}" for one in app.purposes)]
    lines = " ".join(f"({_plain(line)}) Tj T*" for line in said)
    text = f"BT /F1 11 Tf 16 TL 60 780 Td {lines} ET".encode("latin-1", "replace")
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(text), text),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    )
    file, places = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(file)
    return bytes(
        file
        + b"xref\n0 6\n0000000000 65535 f \n%strailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n"
        % (
            table,
            start,
        )
    )


def _plain(line: str) -> str:
    return line.replace("\\", "/").replace("(", "[").replace(")", "]")
