"""Whatever is asked is answered or refused with 400: https://hl7.org/fhir/R4/http.html#search"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.fhir.outcome import FhirError
from fhir_server.search.answering.run import search
from fhir_server.search.asking.query import parse
from fhir_server.search.kinds.table import modifiers_of
from tests.search.reading_of import REGISTRY
from tests.server.searches import BASE, KEY, SmallServer, a_server

TYPES = ("Patient", "Observation", "DocumentReference", "Location", "ValueSet", "RiskAssessment", "Encounter")
RESOURCES = [
    {"resourceType": "Patient", "id": "a", "name": [{"family": "Martin"}], "birthDate": "1980"},
    {
        "resourceType": "Observation",
        "id": "o",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "1"}]},
        "subject": {"reference": "Patient/a"},
        "valueQuantity": {"value": 1, "system": "http://unitsofmeasure.org", "code": "kg"},
    },
]
NAMES = [
    f"{code}:{modifier}" if modifier else code
    for type in TYPES
    for code, param in REGISTRY.of(type).items()
    for modifier in ["", *(modifiers_of(param)[:12] if param.type != "special" else [])]
]
SPECIAL = "_count _sort _total _summary _elements _include _revinclude _contained _containedType _filter _list _cursor _type".split()
CHAINS = [
    "subject.name",
    "patient:Patient.birthdate",
    "_has:Observation:patient:code",
    "subject._has:Observation:patient:date",
]
VALUES = [
    "1", "-1", "a", "a|b", "|", "||", "a|b|c", "$", "a$b", "2020", "ge2020-13", "ap2020-01-01T10:00:00+02:00", "true", "1e2", "1e400",
    "Patient/a", "Patient/a/_history/1", "http://x/fhir/Patient/a", "urn:uuid:1", "#x", "http://loinc.org|1", "0.00||kg",
    "1|http://unitsofmeasure.org|kg", "1|http://unitsofmeasure.org|[", "48|2|10|km", "both", "count", "accurate", "-date,_id",
    "Patient:link", "Observation:*", "*", "*:*", "name eq a and not (birthdate lt 2000)", "List/1", "\\", "\\,", ",", "9" * 400,
]  # fmt: skip

names = st.one_of(st.sampled_from(NAMES), st.sampled_from(SPECIAL + CHAINS), st.text(max_size=20))
values = st.one_of(st.sampled_from(VALUES), st.text(max_size=30))
pairs = st.lists(st.tuples(names, values), min_size=1, max_size=4)


def test_any_query_is_answered_or_refused(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        server = a_server(tmp_path)
        runner.run(server.put(*RESOURCES))

        @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.sampled_from([*((type,) for type in TYPES), (), TYPES]), pairs, st.booleans())
        def ask(types: tuple[str, ...], asked: list[tuple[str, str]], strict: bool) -> None:
            runner.run(_ask(server, types, asked, strict))

        ask()
        runner.run(server.engine.close())


async def _ask(server: SmallServer, types: tuple[str, ...], asked: list[tuple[str, str]], strict: bool) -> None:
    try:
        query = await parse(types, asked, server.registry, strict=strict, settings=server.settings, base=BASE)
        bundle = json.loads(await search(query, server.repository, server.registry, BASE, server.settings, KEY))
    except FhirError as refused:
        assert refused.status == 400, refused.issues
        assert refused.body()
    else:
        assert bundle["type"] == "searchset" and bundle["link"][0]["relation"] == "self"
