"""Which files `load` reads, and in which parts. https://hl7.org/fhir/R4/nd-json.html"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from fhir_server.loading.progress import Journal
from fhir_server.loading.sources import PART_LINES, digest, files, parts
from fhir_server.store.engine import Engine
from tests.engines import an_engine


def test_a_folder_gives_its_files_of_known_kinds_by_name(tmp_path: Path) -> None:
    for name in ("b.json", "a.ndjson.gz", "inner/c.jsonl", "notes.txt", "picture.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [str(file.relative_to(tmp_path)) for file in files([tmp_path])] == ["a.ndjson.gz", "b.json", "inner/c.jsonl"]


def test_a_file_of_an_unknown_kind_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ValueError, match=r"notes\.txt"):
        files([tmp_path / "notes.txt"])


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        files([tmp_path / "absent.json"])


@pytest.mark.parametrize("name", ["many.ndjson", "many.ndjson.gz"])
def test_lines_come_in_parts_that_together_are_the_file(tmp_path: Path, name: str) -> None:
    lines = [b'{"n":%d}\n' % n for n in range(PART_LINES * 2 + 5)]
    body = b"".join(lines)
    (tmp_path / name).write_bytes(gzip.compress(body) if name.endswith("gz") else body)
    found = list(parts(tmp_path / name))
    assert b"".join(part.body for part in found) == body
    assert [(part.first, part.count) for part in found] == [(1, 400), (401, 400), (801, 5)]


def test_parts_go_on_after_lines_that_are_behind(tmp_path: Path) -> None:
    (tmp_path / "some.ndjson").write_bytes(b"1\n2\n3\n4")
    [part] = parts(tmp_path / "some.ndjson", after=2)
    assert (part.body, part.first, part.count) == (b"3\n4", 3, 2)


def test_a_document_is_one_part(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_bytes(b'{\n"resourceType": "Patient"\n}')
    [part] = parts(tmp_path / "one.json")
    assert not part.lines and part.body.startswith(b"{\n")
    assert list(parts(tmp_path / "one.json", after=1)) == []


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("one.ndjson", "moved.ndjson", True),
        ("one.ndjson", "one.ndjson.gz", True),
        ("one.json", "one.json.gz", True),
        ("one.ndjson", "one.jsonl", True),
        # The same bytes, read as one resource and as lines, are not the same resources.
        ("one.json", "one.ndjson", False),
    ],
)
def test_a_file_is_told_by_its_content_however_it_is_named_or_packed(
    tmp_path: Path, first: str, second: str, same: bool
) -> None:
    body = b'{"resourceType":"Patient"}\n'
    for name in (first, second):
        (tmp_path / name).write_bytes(gzip.compress(body) if name.endswith(".gz") else body)
    assert (digest(tmp_path / first) == digest(tmp_path / second)) is same


def test_a_damaged_archive_is_told_by_its_bytes_and_is_not_what_it_would_have_held(tmp_path: Path) -> None:
    whole = gzip.compress(b"{}\n" * 1000)
    for name, body in (("whole.ndjson.gz", whole), ("cut.ndjson.gz", whole[:-5]), ("cut again.ndjson.gz", whole[:-5])):
        (tmp_path / name).write_bytes(body)
    told = [digest(tmp_path / name) for name in ("whole.ndjson.gz", "cut.ndjson.gz", "cut again.ndjson.gz")]
    assert told[0] != told[1] == told[2]


async def test_progress_is_kept_with_the_store_and_its_salt_from_the_first(tmp_path: Path) -> None:
    def opened() -> Engine:
        return an_engine(tmp_path)

    engine = opened()
    begun = await Journal(engine.records).of("abc", "one.ndjson")
    assert (await Journal(engine.records).of("abc", "one.ndjson")).salt == begun.salt
    begun.lines = 7
    await Journal(engine.records).keep("abc", begun)
    await engine.close()
    engine = opened()
    again = await Journal(engine.records).of("abc", "moved.ndjson")
    assert (again.lines, again.salt) == (7, begun.salt)
    await engine.close()
