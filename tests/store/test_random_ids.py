"""Ids of new resources: drawn together, and never the same in two processes.

https://hl7.org/fhir/R4/datatypes.html#id
"""

from __future__ import annotations

import os

from fhir_server.store import random_ids
from fhir_server.store.random_ids import random_id


def test_many_are_drawn_together_and_none_is_given_twice() -> None:
    made = [random_id() for _ in range(3 * random_ids._TOGETHER + 1)]
    assert len(set(made)) == len(made)
    assert {len(id) for id in made} == {24}


def test_a_process_that_begins_as_a_copy_gives_others() -> None:
    random_id()
    assert random_ids._drawn
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, " ".join(random_id() for _ in range(20)).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as told:
        theirs = set(told.read().split())
    assert len(theirs) == 20
    assert theirs.isdisjoint({random_id() for _ in range(2 * random_ids._TOGETHER)})
