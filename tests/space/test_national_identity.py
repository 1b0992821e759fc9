"""Which identifiers of a person are an INS in force: Référentiel INS; https://hl7.org/fhir/R4/datatypes.html#Identifier."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_server.smart.people.matching import INS
from fhir_server.space.accounts.life import Life
from fhir_server.space.accounts.pages.activating import _paper

NIR, TEST = INS[0], INS[-1]
NOW = datetime(2026, 6, 1, tzinfo=UTC)
OPPOSED = Life("p", "opposed", NOW, "oppose", NOW, "holder")
PATIENT = {"resourceType": "Patient", "id": "p", "name": [{"family": "Exemple"}], "birthDate": "1968-03-14"}


@pytest.mark.parametrize(
    ("identifiers", "printed"),
    [
        ([{"system": NIR, "value": "268033523800137"}], b"(Matricule INS : 268033523800137)"),
        # A provisional number of before is nobody's to be known by any more.
        (
            [
                {"system": TEST, "value": "868033523800137", "use": "old"},
                {"system": NIR, "value": "268033523800137", "use": "official"},
            ],
            b"(Matricule INS : 268033523800137)",
        ),
        ([{"system": NIR}, {"system": "urn:other", "value": "1"}], b"(Matricule INS : )"),
        ([], b"(Matricule INS : )"),
    ],
)
def test_the_proof_of_an_objection_names_the_ins_in_force(identifiers: list[dict[str, Any]], printed: bytes) -> None:
    assert printed in _paper({**PATIENT, "identifier": identifiers}, OPPOSED)
