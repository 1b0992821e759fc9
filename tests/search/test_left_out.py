"""What a search leaves out, and says so: includes beyond a limit, parameters of other servers.

https://hl7.org/fhir/R4/search.html#include, https://hl7.org/fhir/R4/search.html#errors
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fhir_server.fhir.outcome import InvalidParameter, NotSupported
from fhir_server.search.answering.includes import MAX_ROUNDS
from fhir_server.settings import Settings
from tests.server.searches import SmallServer, a_server, entries, ids, link

Json = dict[str, Any]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[SmallServer]:
    found = a_server(tmp_path, Settings(max_includes=3))
    await found.put(
        *({"resourceType": "Organization", "id": f"g{n}", "name": "x"} for n in range(6)),
        {"resourceType": "Patient", "id": "p", "generalPractitioner": [{"reference": f"Organization/g{n}"} for n in range(6)]},
        *(
            {"resourceType": "Observation", "id": f"o{n}", "status": "final", "code": {"text": "x"}, "subject": {"reference": "Patient/p"}}
            for n in range(6)
        ),
    )  # fmt: skip
    yield found
    await found.engine.close()


def told(bundle: Json) -> list[tuple[str, str]]:
    """(expression, diagnostics) of what the answer says of itself."""
    return [
        (issue["expression"][0], issue["diagnostics"])
        for entry in entries(bundle, "outcome")
        for issue in entry["resource"]["issue"]
    ]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("_include=Patient:general-practitioner", "http._include"),
        ("_revinclude=Observation:patient", "http._revinclude"),
        ("_include=Patient:organization&_revinclude=Observation:patient", "http._revinclude"),
        ("_revinclude=Observation:patient&_include=Patient:general-practitioner", "http._include"),
    ],
)
async def test_what_is_included_beyond_the_limit_is_named_by_what_asked_for_it(
    server: SmallServer, asked: str, named: str
) -> None:
    bundle = await server.search(f"Patient?_id=p&{asked}")
    assert len(ids(bundle, "include")) == 3
    [(expression, said)] = told(bundle)
    assert expression == named and "3 resources" in said


async def test_what_fits_is_told_nothing_of(server: SmallServer) -> None:
    assert told(await server.search("Observation?_include=Observation:patient")) == []


async def test_what_lies_further_than_includes_are_followed_is_told(tmp_path: Path) -> None:
    server = a_server(tmp_path / "deep")
    last = MAX_ROUNDS + 3
    await server.put(
        *(
            {
                "resourceType": "Organization",
                "id": f"g{n}",
                "name": "x",
                **({"partOf": {"reference": f"Organization/g{n + 1}"}} if n < last else {}),
            }
            for n in range(last + 1)
        )
    )
    bundle = await server.search("Organization?_id=g0&_include:iterate=Organization:partof")
    assert len(ids(bundle, "include")) == MAX_ROUNDS
    assert [expression for expression, _ in told(bundle)] == ["http._include"]
    await server.engine.close()


@pytest.mark.parametrize(
    ("asked", "total"),
    [("_totalMethod=count", 6), ("_totalMethod=countEstimate", 6), ("_count=0&_totalMethod=count", 6), ("_totalMethod=none", None)],
)  # fmt: skip
async def test_the_way_fhirpy_asks_for_a_total_is_understood(
    server: SmallServer, asked: str, total: int | None
) -> None:
    bundle = await server.search(f"Observation?{asked}&_count=2" if "_count" not in asked else f"Observation?{asked}")
    assert bundle.get("total") == total and told(bundle) == []


async def test_a_total_method_that_nobody_has_is_refused(server: SmallServer) -> None:
    with pytest.raises(InvalidParameter):
        await server.search("Observation?_totalMethod=guess")


@pytest.mark.parametrize("asked", ["_offset=0", "_page=1", "_fields=id,code", "_offset=0&_fields=id"])
async def test_a_parameter_of_another_server_that_changes_nothing_is_left_out_and_told(
    server: SmallServer, asked: str
) -> None:
    bundle = await server.search(f"Observation?status=final&{asked}")
    assert len(ids(bundle)) == 6
    said = [issue for entry in entries(bundle, "outcome") for issue in entry["resource"]["issue"]]
    assert len(said) == asked.count("=") and all(issue["severity"] == "warning" for issue in said)
    # The self link says what was used (R4 search.html#conformance).
    assert str(link(bundle, "self")).endswith("/Observation?status=final")


@pytest.mark.parametrize("asked", ["_offset=20", "_page=2", "_page_token=x", "_getpages=x", "_sort:desc=date"])
async def test_another_page_in_another_servers_words_is_refused_rather_than_the_first_given_again(
    server: SmallServer, asked: str
) -> None:
    with pytest.raises(NotSupported):
        await server.search(f"Observation?{asked}")
