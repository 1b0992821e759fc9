"""The door of the simulation: one of a store at a time, of a store that holds nobody but its own people.

A store with one real person in it is never simulated in: who is there must be one of this simulation, with an INS of
the demonstration's OID, and nobody may be there before it was begun.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

from fhir_server.app import House
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Conflict, Unavailable
from fhir_server.loading.loader import loader
from fhir_server.population.codes import INS_DEMO
from fhir_server.simulation.counting import counting
from fhir_server.simulation.journal import Journal, Standing
from fhir_server.simulation.years import Done, Years
from fhir_server.store.filters import EVERYTHING
from fhir_server.store.leases import Lease, inherited
from fhir_server.store.protocol import Position, Sort

#: Name of the lease, and how long it lasts without being renewed: who has hardly a turn, since others work, keeps it.
LEASE, LEASE_SECONDS = "simulation", 300.0
_PAGE = 500
_BY_ID = (Sort("_id", "own"),)


async def simulated(
    house: House, wanted: Standing, last: int, processes: int, told: Callable[[int, str], None]
) -> Done:
    """Go through the years, from where the store's own simulation stands to the end of the month `last`.

    Args:
        house: over the store.
        wanted: which simulation, at its beginning.
        last: months since the year 0.
        processes: that judge and index; 0 for one a core.
        told: hears of each month and phase that begins.

    Raises:
        Conflict: the store holds people that this simulation did not make, or another simulation.
        Unavailable: another process simulates in it now.
    """

    async def work() -> Done:
        begun = await standing(house, wanted)
        # So many people stay, and what passes holds no cycles: looking for them takes a tenth of the time.
        gc.set_threshold(200_000, 20, 100)
        await Journal(house.engine.records).keep(begun)
        async with loader(house, processes) as pump, counting(house, processes != 1) as keeping:
            return await Years(house, pump, keeping, begun, last).run(told)

    await inherited(house.engine.records, LEASE)
    done = await Lease(house.engine.records, LEASE, LEASE_SECONDS).hold(work)
    if done is None:
        raise Unavailable("Another process simulates in this store now.")
    return done


async def standing(house: House, wanted: Standing) -> Standing:
    """Where the simulation of this store stands; its beginning where there was none.

    Raises:
        Conflict: as `simulated`.
    """
    kept = await Journal(house.engine.records).standing()
    if kept is not None and not kept.is_of(wanted):
        raise Conflict("This store holds another simulation: of another seed, scale or first month.")
    if not await _are_own(house, kept):
        raise Conflict("This store holds people whom the simulation did not make: it fills a store of its own.")
    return kept or wanted


async def _are_own(house: House, kept: Standing | None) -> bool:
    """Whether everybody on file, those deleted left out, is of the simulation."""
    repository = house.services.repository()
    if kept is None:
        return not await repository.count({"Patient": EVERYTHING}, 1)
    after: Position | None = None
    while True:
        page = await repository.find({"Patient": EVERYTHING}, _BY_ID, after, _PAGE)
        if not all(_is_own(version.id, version.body, kept.random_seed) for version in page.versions):
            return False
        after = page.next
        if after is None:
            return True


def _is_own(id: str, body: bytes, random_seed: int) -> bool:
    systems = {one.get("system") for one in parse(body).get("identifier", ())}
    return id.startswith(f"n{random_seed}-pat-") and systems == {INS_DEMO}
