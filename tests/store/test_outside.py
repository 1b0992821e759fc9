"""Long content kept outside its row: who reads sees the JSON that was written, whatever way they come.

https://hl7.org/fhir/R4/binary.html, `fhir_server/store/outside.py`. Over each engine, since none of them knows.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from fhir_server.fhir.json import serialize, stamped
from fhir_server.fhir.outcome import Damaged
from fhir_server.store.blobs import checking
from fhir_server.store.blobs.collecting import PURGED, UNTIL, beginning, collected
from fhir_server.store.blobs.protocol import Blob
from fhir_server.store.content import is_outlined
from fhir_server.store.engine import Engine
from fhir_server.store.filters import EVERYTHING, Word
from fhir_server.store.outside import INSIDE, with_outside
from fhir_server.store.protocol import Put, Stale, Store, Version, Want
from fhir_server.store.taking_out import taken_out
from tests.store.making import a_put, an_index, defects, vread
from tests.store.memory.blobs import MemoryBlobs

LONG = bytes(range(256)) * (INSIDE // 256) + b"ab"
OTHER = LONG[::-1]


@dataclass
class Kept:
    """A store over an engine, and what its content is kept in."""

    engine: Engine
    blobs: MemoryBlobs
    store: Store


@pytest.fixture
async def kept(engine: Engine) -> AsyncIterator[Kept]:
    blobs = MemoryBlobs()
    yield Kept(engine, blobs, with_outside(engine, blobs).store)


def binary(data: bytes | str, **more: Any) -> dict[str, Any]:
    said = data if isinstance(data, str) else b64encode(data).decode()
    return {"resourceType": "Binary", "contentType": "application/pdf", "data": said, **more}


def put(id: str, tree: dict[str, Any], expected: int = 0, *rows: Word) -> Put:
    body, stamp = stamped(serialize(tree), id, expected + 1)
    return Put("Binary", id, expected, body, stamp, an_index(*rows))


def said(version: Version | None) -> dict[str, Any]:
    assert version is not None
    tree: dict[str, Any] = msgspec.json.decode(version.body)
    assert tree.pop("meta")["versionId"] == str(version.version)
    assert tree.pop("id") == version.id
    return tree


async def test_every_way_to_read_gives_what_was_written(kept: Kept) -> None:
    store, tree, next_tree = kept.store, binary(LONG, language="fr"), binary(OTHER)
    made = await store.transact([put("b", tree), a_put("Patient", "p")])
    again = await store.transact([put("b", next_tree, 1)])
    scope = {"Binary": EVERYTHING, "Patient": EVERYTHING}
    [past, now] = made[0], again[0]
    assert [said(past), said(now)] == [tree, next_tree]
    assert await store.read("Binary", "b") == now
    assert await store.read_many([("Binary", "b"), ("Binary", "x"), ("Patient", "p")]) == [now, None, made[1]]
    assert said(await vread(store, "Binary", "b", 1)) == tree
    assert said((await store.find({"Binary": EVERYTHING})).versions[0]) == next_tree
    [page] = await store.find_each([{"Binary": EVERYTHING}])
    assert said(page.versions[0]) == next_tree
    assert [said(one) for one in (await store.history({"Binary": EVERYTHING})).versions] == [next_tree, tree]
    walked = (await store.walk(scope)).versions
    assert {said(one)["resourceType"] for one in walked} == {"Binary", "Patient"}
    # Counted as long as it is whole.
    numbered = [("Binary", "b", 1), ("Binary", "b", 2)]
    assert [said(one) for one in await store.vread_many(numbered, "body", 3 * len(LONG))] == [tree, next_tree]
    assert [said(one) for one in await store.vread_many(numbered, "body", 2 * len(LONG))] == [tree]
    # And none of it is in the rows.
    rows = [await vread(kept.engine.store, "Binary", "b", number) for number in (1, 2)]
    assert all(row is not None and len(row.body) < 1_000 and is_outlined(row.body) for row in rows)
    assert await defects(kept.engine) == []


@pytest.mark.parametrize("want", ["head", "index", "bare"])
async def test_who_asks_for_less_is_not_given_the_content(kept: Kept, want: Want) -> None:
    await kept.store.transact([put("b", binary(LONG))])
    kept.blobs.kept.clear()
    versions = [
        *await kept.store.read_many([("Binary", "b")], want),
        *(await kept.store.find({"Binary": EVERYTHING}, want=want)).versions,
        *(await kept.store.walk({"Binary": EVERYTHING}, want=want)).versions,
    ]
    assert len(versions) == 3
    for version in versions:
        assert version is not None
        assert version.body == b"" if want != "bare" else "data" not in said(version)
        assert (version.content is not None) == (want == "bare")
    with pytest.raises(Damaged):
        await kept.store.read("Binary", "b")


async def test_short_content_stays_inside(kept: Kept) -> None:
    await kept.store.transact([put("b", binary(LONG[: INSIDE - 1]))])
    assert kept.blobs.kept == {}
    assert said(await kept.store.read("Binary", "b")) == binary(LONG[: INSIDE - 1])


LINES = re.sub("(.{76})", r"\1\\r\\n", b64encode(LONG).decode())


@pytest.mark.parametrize(
    ("data", "outside"),
    [
        (b64encode(LONG).decode(), True),
        (LINES, True),
        (b64encode(LONG).decode().replace("/", "\\/"), True),
        # What is no base64, or could be written otherwise, comes back as it was sent.
        ("*" * 40_000, False),
        ("QR==" + "QUJD" * 10_000, False),
        ("QUJD" * 10_000 + "QR==", False),
        ("QUJD" * 10_000 + "Q", False),
    ],
    ids=["plain", "in lines", "escaped", "no base64", "padded inside", "not canonical", "not whole"],
)
async def test_only_what_comes_back_the_same_is_taken_out(kept: Kept, data: str, outside: bool) -> None:
    body, stamp = stamped(b'{"resourceType":"Binary","contentType":"a/b","data":"%b"}' % data.encode(), "b", 1)
    await kept.store.transact([Put("Binary", "b", 0, body, stamp, an_index())])
    assert (len(kept.blobs.kept) == 1) is outside
    found = said(await kept.store.read("Binary", "b"))["data"]
    sent = msgspec.json.decode(b'"%b"' % data.encode())
    assert found == (re.sub(r"\s", "", sent) if outside else sent)


def test_data_of_something_inside_a_binary_is_not_its_own() -> None:
    held = {"url": "urn:x", "valueAttachment": {"contentType": "a/b", "data": b64encode(OTHER).decode()}}
    body, _ = stamped(serialize({"resourceType": "Binary", "extension": [held], "contentType": "a/b"}), "b", 1)
    assert taken_out(body, INSIDE) is None
    both, _ = stamped(serialize({"resourceType": "Binary", "extension": [held], **binary(LONG)}), "b", 1)
    taken = taken_out(both, INSIDE)
    assert taken is not None
    assert b"".join(taken.bytes_of()) == LONG
    assert taken_out(b'{"resourceType":"Binary","data":[' + b'",data":"' * 9_000 + b"]}", INSIDE) is None


async def test_no_client_can_name_content(kept: Kept) -> None:
    [version] = await kept.store.transact([put("b", binary(LONG))])
    row = await kept.engine.store.read("Binary", "b")
    assert row is not None
    # Whatever is sent is JSON, and JSON begins otherwise than what the store writes in front of it.
    assert not is_outlined(version.body)
    assert row.body[:1] not in (b"{", b" ", b"\t", b"\r", b"\n", b"\xef", b"[", b'"')


async def test_content_that_lies_there_already_is_named_by_a_write(kept: Kept) -> None:
    content = await kept.blobs.put([LONG], None)
    body, stamp = stamped(serialize({"resourceType": "Binary", "contentType": "a/b"}), "b", 1)
    [made] = await kept.store.transact([Put("Binary", "b", 0, body, stamp, an_index(), content=content)])
    assert (made.content, "data" in said(made)) == (content, False)
    assert said(await kept.store.read("Binary", "b"))["data"] == b64encode(LONG).decode()
    # A further version of it goes on naming the same.
    [bare] = await kept.store.read_many([("Binary", "b")], "bare")
    assert bare is not None
    again, stamp = stamped(bare.body, "b", 2)
    await kept.store.transact([Put("Binary", "b", 1, again, stamp, an_index(), content=bare.content)])
    assert said(await kept.store.read("Binary", "b"))["data"] == b64encode(LONG).decode()
    assert len(kept.blobs.kept) == 1


@pytest.mark.parametrize(
    ("contexts", "lie"),
    [
        (["Patient/1", "Patient/1"], 1),
        (["Patient/1", "Patient/2"], 2),
        (["DocumentReference/d1", "DocumentReference/d1b"], 1),
        (["DocumentReference/d1", "DocumentReference/d2"], 2),
        (["DocumentReference/d1", "Patient/1"], 1),
        (["#", "#"], 2),
    ],
    ids=lambda value: str(value),
)
async def test_the_same_content_of_one_patient_lies_there_once(kept: Kept, contexts: list[str], lie: int) -> None:
    documents = {"d1": "Patient/1", "d1b": "Patient/1", "d2": "Patient/2"}
    writes = [a_put("DocumentReference", id, 0, an_index(Word("subject", who))) for id, who in documents.items()]
    binaries = [put(f"b{n}", binary(LONG), 0, Word("_securityContext", said)) for n, said in enumerate(contexts)]
    await kept.store.transact([*writes, *binaries])
    assert len(kept.blobs.kept) == lie


async def test_versions_of_one_binary_share_what_did_not_change(kept: Kept) -> None:
    await kept.store.transact([put("b", binary(LONG))])
    await kept.store.transact([put("b", binary(LONG, language="fr"), 1)])
    assert len(kept.blobs.kept) == 1


@pytest.mark.parametrize("way", ["find", "history"])
async def test_a_page_ends_by_what_its_content_makes_of_it(kept: Kept, way: str) -> None:
    await kept.store.transact([put(f"b{n}", binary(LONG + bytes([n]))) for n in range(5)])
    found, after = [], None
    for _ in range(9):
        most = 2 * len(LONG) * 4 // 3 + 2_000
        ask = kept.store.find if way == "find" else kept.store.history
        page = await ask({"Binary": EVERYTHING}, after=after, count=4, most_bytes=most)
        assert 0 < len(page.versions) <= 2
        found += [version.id for version in page.versions]
        after = page.next
        if after is None:
            break
    assert sorted(found) == ["b0", "b1", "b2", "b3", "b4"]


NOW = datetime.now(UTC)
LATER = NOW + timedelta(hours=3)


async def aged(kept: Kept, hours: float) -> None:
    """All content came, or was about to be named, so long ago."""
    for handle, blob in kept.blobs.there.items():
        kept.blobs.there[handle] = Blob(handle, blob.settled, blob.at - hours * 3_600)


async def test_the_collector_removes_what_a_refused_write_left(kept: Kept) -> None:
    records = kept.engine.records
    await records.apply([beginning(NOW)])
    await kept.store.transact([put("b", binary(LONG))])
    with pytest.raises(Stale):
        await kept.store.transact([put("b", binary(OTHER), 7)])
    assert len(kept.blobs.kept) == 2
    assert await collected(kept.store, records, kept.blobs, LATER) == 0
    await aged(kept, 2)
    assert await collected(kept.store, records, kept.blobs, LATER) == 1
    assert said(await kept.store.read("Binary", "b"))["data"] == b64encode(LONG).decode()
    assert [one async for one in checking.defects(kept.store, kept.blobs, kept.engine.records)] == []


async def test_the_collector_settles_what_a_process_died_before_it_could(kept: Kept) -> None:
    records = kept.engine.records
    await records.apply([beginning(NOW)])
    await kept.store.transact([put("b", binary(LONG))])
    await kept.store.transact([put("b", binary(OTHER), 1)])
    for handle, blob in kept.blobs.there.items():
        kept.blobs.there[handle] = Blob(handle, False, blob.at - 9 * 3_600)
    assert await collected(kept.store, records, kept.blobs, LATER) == 0
    assert {blob.settled for blob in kept.blobs.there.values()} == {True}
    assert said(await vread(kept.store, "Binary", "b", 1))["data"] == b64encode(LONG).decode()


async def test_content_that_only_what_was_purged_named_goes_with_the_collector_s_next_look(kept: Kept) -> None:
    records = kept.engine.records
    await records.apply([beginning(NOW)])
    third = LONG + b"c"
    mine = Word("_securityContext", "Patient/p")
    await kept.store.transact([put("a", binary(LONG), 0, mine), put("shared", binary(LONG), 0, mine)])
    await kept.store.transact([put("a", binary(OTHER), 1, mine)])
    await kept.store.transact([put("a", binary(third), 2, mine), put("b", binary(OTHER))])
    await collected(kept.store, records, kept.blobs, LATER)
    assert len(kept.blobs.kept) == 4
    assert await kept.store.purge([("Binary", "a"), ("Basic", "never")]) == 1
    assert [one async for one in checking.defects(kept.store, kept.blobs, kept.engine.records)] == []
    # What came a moment ago may be on its way into another version: not before an hour.
    assert await collected(kept.store, records, kept.blobs, LATER) == 0
    await aged(kept, 2)
    assert await collected(kept.store, records, kept.blobs, LATER) == 2
    assert await records.list(PURGED) == []
    assert {blob.settled for blob in kept.blobs.there.values()} == {True}
    for id, data in (("shared", LONG), ("b", OTHER)):
        assert said(await kept.store.read("Binary", id))["data"] == b64encode(data).decode()
    assert [one async for one in checking.defects(kept.store, kept.blobs, kept.engine.records)] == []


async def test_a_process_that_dies_between_purging_and_collecting_loses_nobody_s_content(kept: Kept) -> None:
    records = kept.engine.records
    mine = Word("_securityContext", "Patient/p")
    await kept.store.transact([put("a", binary(LONG), 0, mine), put("shared", binary(LONG), 0, mine)])
    await kept.store.purge([("Binary", "a")])
    await aged(kept, 9)
    # It had released what it was told of, and not found out yet who names it.
    await kept.blobs.release([handle for handle, _ in await records.list(PURGED)])
    await records.apply([beginning(NOW + timedelta(hours=1))])
    assert await collected(kept.store, records, kept.blobs, LATER) == 0
    assert said(await kept.store.read("Binary", "shared"))["data"] == b64encode(LONG).decode()


async def test_a_day_to_come_is_collected_as_today(kept: Kept) -> None:
    records = kept.engine.records
    await kept.blobs.put([LONG], None)
    assert await collected(kept.store, records, kept.blobs, NOW + timedelta(days=400)) == 0
    until = await records.get(*UNTIL)
    assert until is not None
    assert int(until) < (NOW + timedelta(hours=1)).timestamp() * 1000


async def test_check_names_what_is_lost_damaged_or_nobodys(kept: Kept) -> None:
    await kept.store.transact([put("lost", binary(LONG)), put("bad", binary(OTHER)), put("good", binary(LONG + b"c"))])
    versions = {v.id: v for v in await kept.store.read_many([("Binary", id) for id in ("lost", "bad")], "bare") if v}
    lost, bad = versions["lost"].content, versions["bad"].content
    assert lost is not None
    assert bad is not None
    del kept.blobs.kept[lost.handle], kept.blobs.there[lost.handle]
    kept.blobs.kept[bad.handle] = LONG
    nobodys = await kept.blobs.put([b"abc"], None)
    await aged(kept, 5)
    assert sorted([one async for one in checking.defects(kept.store, kept.blobs, kept.engine.records)]) == [
        "Binary/bad/_history/1: its content is damaged",
        "Binary/lost/_history/1: its content is lost",
        f"content {nobodys.handle[:12]}… belongs to no version",
    ]


async def test_what_an_earlier_server_stored_is_read_as_it_is_and_moves_when_it_is_written_anew(kept: Kept) -> None:
    await kept.engine.store.transact([put("b", binary(LONG))])
    assert said(await kept.store.read("Binary", "b")) == binary(LONG)
    [bare] = await kept.store.read_many([("Binary", "b")], "bare")
    assert bare is not None
    assert (bare.content, said(bare)) == (None, binary(LONG))
    await kept.store.transact([put("b", binary(LONG, language="fr"), 1)])
    assert len(kept.blobs.kept) == 1
    versions = [await vread(kept.store, "Binary", "b", number) for number in (1, 2)]
    assert [said(one) for one in versions] == [binary(LONG), binary(LONG, language="fr")]
    assert [one async for one in checking.defects(kept.store, kept.blobs, kept.engine.records)] == []
