"""IHE_XDM.ZIP: what is read of it, what is refused, and that what is written is read alike. IHE ITI TF-2 3.32, TF-3 4.2."""

from __future__ import annotations

import base64
import hashlib
import io
import stat
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from fhir_server.space.messages.mail.parsing import File
from fhir_server.space.messages.mail.refusals import Refused
from fhir_server.space.messages.mail.xdm import ebrim
from fhir_server.space.messages.mail.xdm.archive import Archive, pack
from fhir_server.space.messages.mail.xdm.documents import entry_of, reference
from fhir_server.space.messages.mail.xdm.opening import ins, is_archive, opened
from tests.space.messages.mail.making import INS, a_zip, an_archive, masked, metadata, replaces

CDA = b"<ClinicalDocument/>"
ZONE = ZoneInfo("Europe/Paris")
TEST_INS = ("urn:oid:1.2.250.1.213.1.4.10", INS)


def test_a_document_is_read_with_its_metadata() -> None:
    [document] = opened(an_archive(CDA, metadata(CDA, more=masked("MASQUE_PS"), outside=replaces("urn:oid:1.2.3"))))
    assert document.content == CDA and ins(document) == TEST_INS
    entry = document.entry
    assert (entry.title, entry.unique_id) == ("Compte rendu de biologie", "1.2.250.1.213.1.1.1.55.2026.7.1")
    assert [one.code for one in entry.codes["confidentiality"]] == ["N", "MASQUE_PS"]
    assert entry.replaces == ("urn:oid:1.2.3",)


def test_its_metadata_are_those_of_a_document_reference() -> None:
    [document] = opened(an_archive(CDA, metadata(CDA)))
    tree = reference(document.entry, CDA, ZONE, datetime(2026, 11, 30, tzinfo=UTC))
    attachment = tree["content"][0]["attachment"]
    assert attachment["hash"] == base64.b64encode(hashlib.sha1(CDA).digest()).decode()
    assert attachment["creation"] == "2026-01-04T15:05:27+00:00" and attachment["size"] == len(CDA)
    assert tree["masterIdentifier"]["value"] == "urn:oid:1.2.250.1.213.1.1.1.55.2026.7.1"
    assert tree["type"]["coding"][0] == {"system": "http://loinc.org", "code": "11502-2", "display": "CR de biologie"}
    assert tree["context"]["practiceSetting"]["coding"][0]["code"] == "AMBULATOIRE"
    roles = [one for one in tree["contained"] if one["resourceType"] == "PractitionerRole"]
    people = {one["id"]: one for one in tree["contained"]}
    person = people[roles[0]["practitioner"]["reference"][1:]]
    assert person["name"][0] == {"family": "DUPONT", "given": ["Anne"]}
    assert {one["value"] for one in person["identifier"]} == {"899700218896", "99700218896"}


def test_what_is_written_is_read_alike() -> None:
    [document] = opened(an_archive(CDA, metadata(CDA)))
    tree = reference(document.entry, CDA, ZONE, datetime(2026, 11, 30, tzinfo=UTC))
    entry = entry_of(tree, 1, TEST_INS)
    said = ebrim.Submission(
        "1.2.3", "1.2.4", "20261130000000", "Réponse", ebrim.Code("10", "1.2.5"), ebrim.Author("x"), "p", (entry,)
    )
    packed = pack(ebrim.written(said), {entry.slot("URI"): CDA}, "<html></html>")
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.namelist()[:3] == ["INDEX.HTM", "README.TXT", "IHE_XDM/SUBSET01/METADATA.XML"]
    [again] = opened(packed)
    assert again.content == CDA and again.entry == entry
    twice = reference(again.entry, CDA, ZONE, datetime(2026, 11, 30, tzinfo=UTC))
    assert twice["masterIdentifier"] == tree["masterIdentifier"] and twice["type"] == tree["type"]
    assert twice["content"][0]["attachment"]["creation"] == tree["content"][0]["attachment"]["creation"]


@pytest.mark.parametrize("name", ["IHE_XDM.ZIP", "IHE_XDM.zip", "ihe_xdm.zip"])
def test_the_archive_is_found_by_its_name_in_any_case(name: str) -> None:
    assert is_archive(File(name, "application/zip", b""))
    assert not is_archive(File(f"x{name}", "application/zip", b""))


def a_link() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        link = zipfile.ZipInfo("IHE_XDM/SUBSET01/METADATA.XML")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    return made.getvalue()


def a_bomb() -> bytes:
    return an_archive(b"\0" * 60_000_000, metadata(b""))


def overlapping() -> bytes:
    """Two names for the same bytes: the central directory is written anew with one offset."""
    sound = bytearray(a_zip({"IHE_XDM/A.XML": b"a" * 500, "IHE_XDM/B.XML": b"a" * 500}))
    first = sound.find(b"PK\x01\x02")
    second = sound.find(b"PK\x01\x02", first + 4)
    sound[second + 42 : second + 46] = sound[first + 42 : first + 46]
    return bytes(sound)


def damaged() -> bytes:
    sound = bytearray(an_archive(CDA * 50, metadata(CDA * 50)))
    at = sound.find(b"DOC00001.XML") + len("DOC00001.XML") + 5
    sound[at] ^= 0xFF
    return bytes(sound)


def with_size(size: int) -> bytes:
    return an_archive(CDA, metadata(CDA, size=str(size)))


TWO = [("IHE_XDM/SUBSET01/METADATA.XML", metadata(CDA)), ("IHE_XDM/SUBSET01/metadata.xml", metadata(CDA))]
DOCTYPE = metadata(CDA).replace(b"<lcm:", b'<!DOCTYPE x [<!ENTITY a "b">]><lcm:', 1)
#: What → the archive, the rule that refuses it.
BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "no ZIP": (lambda: b"PK nothing", "xdm-archive"),
    "nothing": (lambda: b"", "xdm-archive"),
    "an empty ZIP": (lambda: a_zip({}), "xdm-archive"),
    "no metadata": (lambda: a_zip({"IHE_XDM/SUBSET01/DOC00001.XML": CDA}), "xdm-archive"),
    "a bomb": (a_bomb, "xdm-archive"),
    "201 files": (lambda: a_zip({f"f{n}": b"" for n in range(201)}), "xdm-archive"),
    "a way up": (lambda: a_zip({"IHE_XDM/../../etc/x": b""}), "xdm-archive"),
    "a way from the root": (lambda: a_zip({"/etc/x": b""}), "xdm-archive"),
    "a way of Windows": (lambda: a_zip({"IHE_XDM\\..\\x": b""}), "xdm-archive"),
    "a drive": (lambda: a_zip({"C:x": b""}), "xdm-archive"),
    "a link": (a_link, "xdm-archive"),
    "one name twice": (lambda: a_zip(TWO), "xdm-archive"),
    "files over one another": (overlapping, "xdm-archive"),
    "a damaged file": (damaged, "xdm-archive"),
    "a file that is not there": (lambda: an_archive(CDA, metadata(CDA), "DOC2.XML"), "xdm-archive"),
    "a URI that leads up": (lambda: an_archive(CDA, metadata(CDA, uri="../../INDEX.HTM")), "xdm-archive"),
    "a hash that disagrees": (lambda: an_archive(CDA, metadata(b"other", size="")), "xdm-hash"),
    "no hash": (lambda: an_archive(CDA, metadata(CDA, hash="")), "xdm-hash"),
    "a size that disagrees": (lambda: with_size(1), "xdm-hash"),
    "metadata that are no XML": (lambda: an_archive(CDA, b"<a"), "xdm-metadata"),
    "metadata of something else": (lambda: an_archive(CDA, b"<a/>"), "xdm-metadata"),
    "a document type declaration": (lambda: an_archive(CDA, DOCTYPE), "xdm-metadata"),
    "no uniqueId": (lambda: an_archive(CDA, metadata(CDA, unique="")), "xdm-metadata"),
    "no patient": (lambda: an_archive(CDA, metadata(CDA, patient="")), "xdm-metadata"),
    "no URI": (lambda: an_archive(CDA, metadata(CDA, uri="")), "xdm-metadata"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_an_archive_that_is_not_what_it_must_be_is_refused(what: str) -> None:
    make, rule = BAD[what]
    with pytest.raises(Refused) as refused:
        opened(make())
    assert refused.value.rule == rule


def test_an_archive_about_no_ins_is_refused() -> None:
    [document] = opened(an_archive(CDA, metadata(CDA, patient="77^^^&amp;1.2.3&amp;ISO^PI")))
    with pytest.raises(Refused, match="xdm-patient"):
        ins(document)


@pytest.mark.parametrize("what", ["creationTime", "serviceStartTime"])
def test_a_time_that_is_none_is_refused(what: str) -> None:
    [document] = opened(an_archive(CDA, metadata(CDA, **{what: "20261345"})))
    with pytest.raises(Refused, match="xdm-metadata"):
        reference(document.entry, CDA, ZONE, datetime.now(UTC))


def test_a_name_of_a_folder_leads_to_its_own_files_alone() -> None:
    packed = a_zip({"IHE_XDM/SUBSET01/METADATA.XML": b"x", "IHE_XDM/SUBSET011/A.XML": b"y"})
    with pytest.raises(Refused, match="xdm-archive"):
        Archive(packed).read("IHE_XDM/SUBSET01", "../SUBSET011/A.XML")
