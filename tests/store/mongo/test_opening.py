"""Whoever names a database that cannot keep a store is told why in one sentence, soon, and without the password.

`fhir_server/store/mongo/opening.py`; https://www.mongodb.com/docs/manual/reference/connection-string/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fhir_server.fhir.outcome import Unavailable
from fhir_server.settings import Settings
from fhir_server.store import opening
from fhir_server.store.filters import EVERYTHING
from tests import mongod
from tests.store.making import OPEN, stored

PASSWORD = "geheim"
LIMITS = {"max_pending": 10, "deadline_seconds": 5.0}


@pytest.fixture(autouse=True)
def _with_a_mongod(monkeypatch: pytest.MonkeyPatch) -> None:
    mongod.require()
    from fhir_server.store.mongo import opening as own

    monkeypatch.setattr(own, "_AT_START", 300)


@pytest.fixture
def client() -> Iterator[Any]:
    from pymongo import MongoClient

    with MongoClient(mongod.url()) as found:
        yield found


def refusal(url: str) -> str:
    with pytest.raises(Unavailable) as refused:
        opening.open_engine(url, **LIMITS)
    assert PASSWORD not in str(refused.value) and "127.0.0.1" not in str(refused.value)
    return str(refused.value)


def closed_port() -> int:
    return mongod.free_port()


#: What is wrong → part of what is said.
WRONG = {
    "nothing listens": (lambda: f"mongodb://u:{PASSWORD}@127.0.0.1:{closed_port()}/x", "cannot be reached"),
    "no such host": (lambda: f"mongodb://u:{PASSWORD}@no-such-host.invalid/x", "cannot be reached"),
    "no such user": (lambda: mongod.url().replace("mongodb://", f"mongodb://u:{PASSWORD}@"), "does not know the user"),
    "another replica set": (lambda: mongod.url().replace("rs0", "other"), "cannot be reached"),
    "no URL": (lambda: f"mongodb://u:{PASSWORD}@:99999999/x", "none of MongoDB"),
    "an option there is not": (lambda: mongod.url() + "&readConcernLevel=9&tls=perhaps", "none of MongoDB"),
}


@pytest.mark.filterwarnings("ignore:Unknown option")
@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_with_a_database_is_said(wrong: str) -> None:
    url, said = WRONG[wrong]
    assert said in refusal(url())


def test_a_server_that_is_no_replica_set_is_refused() -> None:
    alone = mongod.Member(replica_set=False)
    try:
        alone.start()
        assert "is no replica set" in refusal(f"mongodb://127.0.0.1:{alone.port}/x")
    finally:
        alone.remove()


def test_another_programs_database_is_left_alone(client: Any) -> None:
    url = mongod.url()
    database = client[url.rpartition("/")[2].partition("?")[0]]
    database.orders.insert_one({"n": 1})
    assert "another program" in refusal(url)
    assert database.list_collection_names() == ["orders"]


def test_a_newer_servers_store_is_refused(client: Any) -> None:
    url = mongod.url()
    client[url.rpartition("/")[2].partition("?")[0]].state.insert_one({"_id": "store", "schema": 99})
    assert "newer server" in refusal(url)


async def test_what_was_stored_is_there_when_it_is_opened_again() -> None:
    url = mongod.url()
    first = opening.open_engine(url, **LIMITS)
    await stored(first, "Patient", {"a": OPEN})
    place = (await first.changes(None)).position
    await first.close()
    second = opening.open_engine(url, **LIMITS)
    assert await second.store.count({"Patient": EVERYTHING}) == 1
    await stored(second, "Patient", {"b": OPEN})
    assert [one.id for one in (await second.changes(place)).versions] == ["b"]
    assert await second.unwritable() is None
    await second.close()
    with pytest.raises(Unavailable):
        await stored(second, "Patient", {"c": OPEN})


async def test_many_processes_that_open_a_new_store_at_once_make_one() -> None:
    import asyncio

    url = mongod.url()
    engines = await asyncio.gather(*[asyncio.to_thread(opening.open_engine, url, **LIMITS) for _ in range(4)])
    await stored(engines[0], "Patient", {"a": OPEN})
    assert [await one.store.count({"Patient": EVERYTHING}) for one in engines] == [1] * 4
    for one in engines:
        await one.close()


async def test_what_a_url_says_of_reading_elsewhere_is_not_done() -> None:
    """A copy that is behind would not have what was just answered; nor would one member's disk be durable."""
    engine: Any = opening.open_engine(
        mongod.url() + "&readPreference=secondary&readConcernLevel=local&w=1&journal=false&maxPoolSize=7", **LIMITS
    )
    await stored(engine, "Patient", {"a": OPEN})
    assert await engine.store.read("Patient", "a") is not None
    assert await engine.records.add("code", "k", b"")
    assert await engine.unwritable() is None
    assert engine._client.options.pool_options.max_pool_size == 7
    await engine.close()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mongodb://u:geheim@a,b:1/fhir?replicaSet=r&authSource=admin", "mongodb://a,b:1/fhir"),
        ("mongodb+srv://u:ge%40heim@cluster.example/", "mongodb+srv://cluster.example/"),
        ("mongodb://localhost", "mongodb://localhost"),
        ("sqlite:///var/x.sqlite", "sqlite:///var/x.sqlite"),
    ],
)
def test_the_url_is_shown_without_who_asks_and_their_password(url: str, shown: str) -> None:
    assert Settings(store=url).store_shown == shown
