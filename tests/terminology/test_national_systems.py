"""National code systems are here whole or in part, as one table says, and what is in none of a whole one is refused.

https://hl7.org/fhir/R4/codesystem-definitions.html#CodeSystem.content; the systems are the NOS's,
https://mos.esante.gouv.fr/NOS.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_server.fhir.definitions import folder
from fhir_server.validation.levels import Levels
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator
from tests.profiles.resources import DOCUMENT, changed, concept, nos
from tests.terminology.conftest import Speaking
from tests.validation.profiled import DIV

PROFILES = Path(str(folder("profiles")))
ROWS: dict[str, dict[str, Any]] = json.loads((PROFILES / "nos-systems.json").read_text("utf-8"))
SHIPPED = {
    tree["url"]: tree
    for file in (PROFILES / "national").glob("CodeSystem-*TRE-*.json")
    if (tree := json.loads(file.read_text("utf-8")))
}
WHOLE = sorted(name for name, row in ROWS.items() if row["content"] == "complete")
#: Codes that are known, and whose use has ended: documents of their time have them.
ENDED = [
    ("TRE_A05-TypeDocComplementaire", "INSCR_RCP"),
    ("TRE_A06-FormatCodeComplementaire", "urn:asip:ci-sis:dlu:2024"),
    ("TRE_R02-SecteurActivite", "SA62"),
    ("TRE_G15-ProfessionSante", "35"),
]


def test_the_table_says_of_each_system_whether_it_is_whole_of_which_edition_and_why() -> None:
    assert {nos(name) for name in ROWS} == SHIPPED.keys()
    for name, row in ROWS.items():
        tree = SHIPPED[nos(name)]
        assert row["why"] and tree["content"] == row["content"]
        codes = {one["code"] for one in tree.get("concept", ())}
        assert row.get("codes", {}).keys() <= codes and {*row.get("ended", ())} <= codes
        assert row["content"] != "complete" or (codes and tree["version"] == row["version"])


def test_every_code_that_a_value_set_of_the_dmp_names_is_one_of_its_system() -> None:
    seen = 0
    for file in (PROFILES / "national").glob("ValueSet-JDV-*.json"):
        for include in json.loads(file.read_text("utf-8"))["compose"]["include"]:
            system = SHIPPED.get(include["system"])
            if system is not None:
                codes = {one["code"] for one in system["concept"]}
                assert {one["code"] for one in include["concept"]} <= codes, file.name
                seen += 1
    assert seen > 10


def said(judge: Validator, system: str, code: str) -> list[tuple[str, str | None, str | None]]:
    coding = {"system": nos(system), "code": code}
    tree = {
        "resourceType": "DocumentReference",
        "text": DIV,
        "status": "current",
        "context": {"practiceSetting": {"coding": [coding]}},
        "content": [{"attachment": {"contentType": "text/plain", "url": "Binary/1"}}],
    }
    keys = ("unknown-code", "inactive-code", "wrong-display")
    return [(one.severity, one.key, one.expression) for one in judge.validate(tree) if one.key in keys]


@pytest.mark.parametrize("ready", [False, True], ids=["of what is shipped", "of the store of concepts"])
async def test_a_code_that_a_whole_system_does_not_have_is_an_error_at_its_element(
    server: Speaking, ready: bool
) -> None:
    if ready:
        await server.terminology.refresh()
    else:
        assert await server.terminology.library.is_bare()
    judge = Validator(Profiles(), codes=server.terminology)
    where = "DocumentReference.context.practiceSetting.coding[0].code"
    for name in WHOLE:
        first = next(one["code"] for one in SHIPPED[nos(name)]["concept"] if "property" not in one)
        assert said(judge, name, first) == [], name
        for unknown in ("INCONNU", first + "0"):
            assert said(judge, name, unknown) == [("error", "unknown-code", where)], (name, unknown)
    for name, row in ROWS.items():
        if row["content"] != "complete":
            assert said(judge, name, "INCONNU") == [], name
    for name, code in ENDED:
        assert said(judge, name, code) == [("warning", "inactive-code", where)], code


async def test_where_pdsm_is_lenient_a_class_that_is_none_warns_and_a_type_that_is_none_does_not_pass(
    server: Speaking,
) -> None:
    """The guide of the DMP has a prescription of class 03, which never was one."""
    assert await server.terminology.library.is_bare()
    for levels, of_class in (({}, "error"), ({"*": "lenient"}, "warning")):
        judge = Validator(Profiles(), codes=server.terminology, levels=Levels(levels))
        for element, value, severity in (
            ("category.0", concept(nos("TRE_A03-ClasseDocument"), "03"), of_class),
            ("type", concept(nos("TRE_A05-TypeDocComplementaire"), "03"), "error"),
        ):
            found = [one for one in judge.validate(changed(DOCUMENT, element, value)) if one.key == "unknown-code"]
            assert [one.severity for one in found] == [severity], (levels, element)
