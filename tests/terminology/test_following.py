"""What is written is in force: for this worker's next request, and for other workers within a second.

https://hl7.org/fhir/R4/terminology-service.html, https://hl7.org/fhir/R4/terminologies.html#strength
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fhir_server.terminology import library as kept
from tests.server.whole import whole
from tests.terminology.conftest import Speaking
from tests.terminology.making import ANIMALS, URL, filtered, value_set
from tests.terminology.test_elsewhere import FOUR, PROFILE, four_legged


async def test_the_next_write_is_judged_by_the_value_set_just_written(tmp_path: Path) -> None:
    async with whole(tmp_path) as client:
        for tree in (PROFILE, ANIMALS, value_set(filtered("legs", "=", "4"), url=FOUR)):
            assert (await client.post(str(tree["resourceType"]), json=tree)).status_code == 201
        # The very first write of a server is judged by its bindings as any other.
        assert (await client.post("Basic", json=four_legged("bat"))).status_code == 422
        assert (await client.post("Basic", json=four_legged("cat"))).status_code == 201
        found = (await client.get(f"ValueSet?url={FOUR}")).json()["entry"][0]["resource"]
        found["compose"]["include"] = [filtered("legs", "=", "2")]
        assert (await client.put(f"ValueSet/{found['id']}", json=found)).status_code == 200
        assert (await client.post("Basic", json=four_legged("cat"))).status_code == 422
        assert (await client.post("Basic", json=four_legged("flyer"))).status_code == 201
        assert (await client.delete(f"ValueSet/{found['id']}")).status_code == 204
        assert (await client.post("Basic", json=four_legged("cat"))).status_code == 201  # it cannot be told any more


async def test_in_a_transaction_as_well(tmp_path: Path) -> None:
    async with whole(tmp_path) as client:
        entries: list[dict[str, Any]] = [
            {"resource": tree, "request": {"method": "POST", "url": str(tree["resourceType"])}}
            for tree in (PROFILE, ANIMALS, value_set(filtered("legs", "=", "4"), url=FOUR))
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        assert (await client.post("", json=bundle)).status_code == 200
        assert (await client.post("Basic", json=four_legged("bat"))).status_code == 422


async def test_another_worker_follows_within_a_second(tmp_path: Path) -> None:
    async with whole(tmp_path) as one, whole(tmp_path) as other:
        for tree in (PROFILE, ANIMALS, value_set(filtered("legs", "=", "4"), url=FOUR)):
            assert (await one.post(str(tree["resourceType"]), json=tree)).status_code == 201
        await asyncio.sleep(1.1)
        assert (await other.post("Basic", json=four_legged("bat"))).status_code == 422
        tree = (await one.get(f"CodeSystem?url={URL}")).json()["entry"][0]["resource"]
        tree["concept"] = [{"code": "bat", "property": [{"code": "legs", "valueInteger": 4}]}]
        assert (await one.put(f"CodeSystem/{tree['id']}", json=tree)).status_code == 200
        await asyncio.sleep(1.1)
        assert (await other.post("Basic", json=four_legged("bat"))).status_code == 201
        assert (await other.post("Basic", json=four_legged("cat"))).status_code == 422


async def test_whoever_writes_a_large_code_system_does_not_wait_for_all_of_it(
    server: Speaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = server.terminology.library
    await library.refresh()
    before = library.generation
    monkeypatch.setattr(kept, "PATIENCE_SECONDS", 0.0)
    assert (await server.post("CodeSystem", ANIMALS)).status == 201
    assert library.generation == before
    async with asyncio.timeout(120):
        while library.generation == before:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
    assert (await server.get(f"CodeSystem/$lookup?system={URL}&code=mammal")).status == 200
