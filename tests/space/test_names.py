"""What somebody is called: https://hl7.org/fhir/R4/datatypes.html#HumanName, of any resource with a name."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.space.names import name_of


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ([{"given": ["Ève", "Marie"], "family": "Exemple"}], None, "Ève Marie Exemple"),
        ([{"given": ["Ève", "Marie"], "family": "Exemple"}], 1, "Ève Exemple"),
        # https://hl7.org/fhir/R4/json.html#primitive: null stands where only an extension is said.
        ([{"given": [None, "Marie"], "family": "Exemple"}], None, "Marie Exemple"),
        ([{"given": [None, "Marie"], "family": "Exemple"}], 1, "Marie Exemple"),
        ([{"family": "Exemple"}, {"family": "Autrefois"}], None, "Exemple"),
        ([{"given": ["Ève"]}], None, "Ève"),
        ([{"text": "Ève Exemple"}], None, ""),
        ("Cabinet du Port", 1, "Cabinet du Port"),
        ([], None, ""),
        (None, None, ""),
    ],
)
def test_what_somebody_is_called(name: Any, given: int | None, said: str) -> None:
    assert name_of({"name": name} if name is not None else {}, given) == said
