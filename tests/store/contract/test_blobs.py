"""Content under handles: what any store of it promises.

`fhir_server/store/blobs/protocol.py`; https://hl7.org/fhir/R4/binary.html.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from fhir_server.fhir.outcome import Damaged, Unavailable
from fhir_server.store.blobs.files import FileBlobs
from fhir_server.store.blobs.protocol import CHUNK, Blob, Blobs
from fhir_server.store.content import Content
from tests.store.memory.blobs import MemoryBlobs

STORES: dict[str, Callable[[Path], Blobs]] = {
    "files": lambda folder: FileBlobs(folder / "store.blobs", b"k" * 32),
    "memory": lambda _: MemoryBlobs(),
}
SIZES = [1, 3, 20_000, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7]


@pytest.fixture(params=STORES)
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Blobs]:
    opened = STORES[request.param](tmp_path)
    yield opened
    await opened.close()


def some(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


async def read(blobs: Blobs, content: Content, first: int = 0, end: int | None = None) -> bytes:
    opened = await blobs.open(content, first, end)
    return b"".join([piece async for piece in opened.pieces()])


async def listed(blobs: Blobs) -> dict[str, Blob]:
    return {blob.handle: blob async for blob in blobs.listed()}


@pytest.mark.parametrize("size", SIZES)
async def test_what_was_put_is_read_byte_for_byte(blobs: Blobs, size: int) -> None:
    content = await blobs.put([some(size)], None)
    assert (content.size, content.sha256) == (size, hashlib.sha256(some(size)).hexdigest())
    assert await read(blobs, content) == some(size)
    assert await blobs.examine(content) is None


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("piece", [1_000_000, 65_536, 7_001])
async def test_an_upload_is_what_its_pieces_are_together(blobs: Blobs, size: int, piece: int) -> None:
    upload = blobs.upload("Patient/1")
    for start in range(0, size, piece):
        await upload.write(some(size)[start : start + piece])
    content = await upload.finish()
    await upload.give_up()
    assert content == await blobs.put([some(size)], "Patient/1")
    assert await read(blobs, content) == some(size)


async def test_pieces_but_the_last_are_whole_groups_of_base64(blobs: Blobs) -> None:
    content = await blobs.put([some(3 * CHUNK + 7)], None)
    sizes = [len(piece) async for piece in (await blobs.open(content)).pieces()]
    assert [size % 3 for size in sizes[:-1]] == [0] * (len(sizes) - 1)
    assert max(sizes) <= CHUNK


@pytest.mark.parametrize(
    ("first", "end"),
    [(0, 1), (5, 5), (CHUNK - 1, CHUNK + 1), (CHUNK, 2 * CHUNK), (3 * CHUNK, 3 * CHUNK + 7), (1, 3 * CHUNK + 6)],
)
async def test_a_range_is_those_bytes(blobs: Blobs, first: int, end: int) -> None:
    content = await blobs.put([some(3 * CHUNK + 7)], None)
    assert await read(blobs, content, first, end) == some(3 * CHUNK + 7)[first:end]


async def test_the_same_bytes_of_one_owner_lie_there_once_and_of_others_apart(blobs: Blobs) -> None:
    owners = ["Patient/1", "Patient/1", "Patient/2", None, None]
    handles = [(await blobs.put([some(9)], owner)).handle for owner in owners]
    assert handles[0] == handles[1]
    assert len(set(handles)) == 4
    assert len(await listed(blobs)) == 4
    # A handle says nothing of the bytes to whoever does not have the store's secret.
    assert hashlib.sha256(some(9)).hexdigest() not in handles


async def test_what_nobody_names_goes_and_what_somebody_names_stays(blobs: Blobs) -> None:
    left, named = await blobs.put([some(9)], None), await blobs.put([some(10)], None)
    await blobs.settled([named])
    assert {handle: blob.settled for handle, blob in (await listed(blobs)).items()} == {
        left.handle: False,
        named.handle: True,
    }
    assert await blobs.remove([left.handle, named.handle], time.time() + 60) == 1
    assert await blobs.remove([left.handle, named.handle], time.time() + 60) == 0
    assert await read(blobs, named) == some(10)
    with pytest.raises(Damaged):
        await blobs.open(left)


async def test_what_came_or_was_to_be_named_since_stays(blobs: Blobs) -> None:
    content = await blobs.put([some(9)], "Patient/1")
    came = (await listed(blobs))[content.handle].at
    assert await blobs.remove([content.handle], came) == 0
    await blobs.keep([content])
    assert await blobs.remove([content.handle], came) == 0
    assert await blobs.put([some(9)], "Patient/1") == content
    assert (await listed(blobs))[content.handle].at >= came


async def test_what_is_gone_cannot_be_named_any_more(blobs: Blobs) -> None:
    content = Content("0" * 64, 9, "0" * 64, 0)
    with pytest.raises(Unavailable):
        await blobs.keep([content])
    # Settling is told after a commit, when there is nothing to refuse any more.
    await blobs.settled([content])
    assert await listed(blobs) == {}
    assert await blobs.examine(content) == "its content is lost"


async def test_an_upload_that_is_given_up_leaves_nothing(blobs: Blobs) -> None:
    upload = blobs.upload("Patient/1")
    await upload.write(some(CHUNK + 1))
    await upload.give_up()
    await upload.give_up()
    assert await listed(blobs) == {}


# What only files have.


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[FileBlobs]:
    opened = FileBlobs(tmp_path / "store.blobs", b"k" * 32)
    yield opened
    await opened.close()


def the_file(files: FileBlobs) -> Path:
    [found] = [path for path in files.folder.rglob("*") if path.is_file() and path.name != "lock"]
    return found


SIZE = 2 * CHUNK + 5


@pytest.mark.parametrize("at", [0, CHUNK - 1, CHUNK, SIZE - 1, SIZE, SIZE + 11], ids=str)
async def test_a_flipped_bit_is_found_before_the_first_byte_is_given(files: FileBlobs, at: int) -> None:
    content = await files.put([some(SIZE)], None)
    flip(the_file(files), at)
    with pytest.raises(Damaged):
        await files.open(content)
    assert await files.examine(content) == "its content is damaged"


async def test_a_bit_flipped_on_the_way_ends_the_stream_before_it(files: FileBlobs) -> None:
    content = await files.put([some(SIZE)], None)
    opened = await files.open(content)
    flip(the_file(files), CHUNK + 3)
    given = b""
    with pytest.raises(Damaged):
        async for piece in opened.pieces():
            given += piece
    assert given == some(SIZE)[:CHUNK]


async def test_damage_outside_a_range_does_not_hinder_it(files: FileBlobs) -> None:
    content = await files.put([some(SIZE)], None)
    flip(the_file(files), CHUNK + 3)
    assert await read(files, content, 10, 20) == some(SIZE)[10:20]


@pytest.mark.parametrize("size", [0, 5, SIZE, SIZE + 11, SIZE + 13])
async def test_a_file_of_another_length_is_damaged(files: FileBlobs, size: int) -> None:
    content = await files.put([some(SIZE)], None)
    os.truncate(the_file(files), size)
    with pytest.raises(Damaged):
        await files.open(content)


async def test_content_put_in_the_place_of_other_is_not_given(files: FileBlobs) -> None:
    content = await files.put([some(SIZE)], None)
    path = the_file(files)
    await files.put([some(SIZE)[::-1]], None)
    [other] = [one for one in path.parent.iterdir() if one != path]
    os.replace(other, path)
    with pytest.raises(Damaged):
        await files.open(content)


async def test_files_are_their_owners_alone(files: FileBlobs) -> None:
    await files.settled([await files.put([some(9)], None)])
    paths = [files.folder, *files.folder.rglob("*")]
    assert {path.stat().st_mode & 0o077 for path in paths} == {0}


async def test_what_was_on_its_way_when_a_process_died_is_removed(files: FileBlobs) -> None:
    await files.upload(None).write(some(CHUNK + 1))
    assert await files.remove([], time.time() - 60) == 0
    assert await files.remove([], time.time() + 60) == 1
    assert not any((files.folder / "part").iterdir())


def flip(path: Path, at: int) -> None:
    with path.open("rb+") as file:
        file.seek(at)
        [byte] = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1]))


async def test_what_is_sent_again_while_it_is_collected_is_there_afterwards(files: FileBlobs) -> None:
    collector = FileBlobs(files.folder, b"k" * 32)
    long_ago = time.time() - 9 * 3_600
    for n in range(100):
        content = await files.put([b"%d" % n], "Patient/1")
        os.utime(files.folder / "new" / content.handle, (long_ago, long_ago))
        again, _ = await asyncio.gather(
            files.put([b"%d" % n], "Patient/1"), collector.remove([content.handle], time.time() - 3_600)
        )
        # Either it was sent before the collector looked, and stays; or after, and came anew.
        assert await read(collector, again) == b"%d" % n
    await collector.close()


async def test_what_is_released_is_left_over_until_it_is_settled_again(blobs: Blobs) -> None:
    first, second = await blobs.put([b"one"], "Patient/1"), await blobs.put([b"two"], "Patient/1")
    await blobs.settled([first, second])
    await blobs.release([first.handle, second.handle, "f" * 64])
    assert {blob.settled for blob in (await listed(blobs)).values()} == {False}
    assert await read(blobs, first) == b"one"
    await blobs.settled([second])
    assert await blobs.remove([first.handle, second.handle], time.time() + 60) == 1
    assert await read(blobs, second) == b"two"


async def test_what_is_sent_again_counts_as_having_come_now(blobs: Blobs) -> None:
    content = await blobs.put([b"one"], "Patient/1")
    await blobs.settled([content])
    before = (await listed(blobs))[content.handle].at
    await asyncio.sleep(0.02)
    await blobs.put([b"one"], "Patient/1")
    await blobs.release([content.handle])
    assert await blobs.remove([content.handle], before + 0.01) == 0
