"""Published guides load, and their examples break the rules they are known to break.

https://hl7.org/fhir/R4/packages.html. The guides' own defects are kept as negative examples.
"""

from __future__ import annotations

import io
import json
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fhir_server.fhir.outcome import Invalid
from fhir_server.validation.profiles import packages
from fhir_server.validation.profiles.packages import Package
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator
from tests.examples import shared_data

NAMES = ("ans.fhir.fr.cds-2.0.1", "ans.fhir.fr.gap-3.0.0", "ans.fhir.fr.pdsm-3.1.1", "ans.fhir.fr.pdsm4dmp-0.1.0")


@cache
def _guides() -> tuple[dict[str, Package], Profiles]:
    data = shared_data()
    if data is None or not (data / "ig").is_dir():
        pytest.skip("the national guides are not beside the checkout")
    registry = Profiles()
    found = {name: packages.load(data / "ig" / f"{name}.tgz") for name in NAMES}
    for package in found.values():
        assert packages.add(package, registry) == []
    return found, registry


def test_the_guides_load_with_their_profiles_and_say_what_is_missing():
    found, registry = _guides()
    assert {p.name: p.version for p in found.values()}["ans.fhir.fr.pdsm"] == "3.1.1"
    assert registry.find(
        "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-simplified-publish|3.1.1"
    )
    loaded = {p.name: p.version for p in found.values()}
    assert "ihe.iti.mhd" in found["ans.fhir.fr.pdsm-3.1.1"].missing(loaded)
    assert "hl7.fhir.r4.core" not in found["ans.fhir.fr.pdsm-3.1.1"].missing(loaded)


NO_CUSTODIAN = ("cardinality-min", "custodian")
NO_USE = ("target-profile", "context.sourcePatientInfo.reference")
#: Guide, example → the errors in it: the rule, and where. An example that is not named has none.
DEFECTS: dict[str, set[tuple[str, str]]] = {
    # Extensions with an empty string as their value.
    "Bundle-cds-bundle-transaction-creation-example.json": {
        ("empty", "Bundle.entry[0].resource.name.extension[0].extension[1].value"),
        ("empty", "Bundle.entry[1].resource.name.extension[0].extension[1].value"),
        ("empty", "Bundle.entry[1].resource.alias[0].extension[0].extension[1].value"),
    },
    "CareTeam-cds-careteam-example.json": {("empty", "CareTeam.name.extension[0].extension[1].value")},
    "Organization-cds-organization-example.json": {
        ("empty", "Organization.name.extension[0].extension[1].value"),
        ("empty", "Organization.alias[0].extension[0].extension[1].value"),
    },
    # Contained resources with a version of their own, and one that nothing refers to; an author who is not contained.
    "DocumentReference-exemple-pdsm-documentreference.json": {
        ("dom-4", "DocumentReference.contained[0].meta.lastUpdated"),
        ("dom-3", "DocumentReference.contained[0]"),
        ("reference-aggregation", "DocumentReference.author[0].reference"),
        ("reference-aggregation", "DocumentReference.authenticator.reference"),
        ("reference-aggregation", "DocumentReference.context.sourcePatientInfo.reference"),
    },
    # Sixteen characters that are said to be 250,000 bytes.
    "DocumentReference-PDSmSimplifiedExample.json": {
        (f"attachment-{name}", f"DocumentReference.content[0].attachment.{name}") for name in ("size", "hash")
    },
    "List-ExampleSubmissionSet.json": {
        ("dom-4", "List.contained[0].meta.versionId"),
        ("dom-4", "List.contained[0].meta.lastUpdated"),
        ("dom-4", "List.contained[1].meta.versionId"),
        ("dom-4", "List.contained[1].meta.lastUpdated"),
        # A unique id that is no OID's URN.
        ("mhd-startswithoid", "List.identifier[0].value"),
    },
    # No custodian, a patient inside whose identifier has no use, and fullUrls that are relative.
    "Bundle-example-annexe-searchset-documentreferences.json": {
        *((key, f"Bundle.entry[{n}].resource.{place}") for n in (0, 1) for key, place in (NO_CUSTODIAN, NO_USE)),
        *(("entry-full-url-absolute", f"Bundle.entry[{n}]") for n in (0, 1)),
    },
    # And the lots of which such a document is an item.
    **{
        f"Bundle-example-{name}.json": {
            ("target-profile", "Bundle.entry[0].resource.entry[0].item.reference"),
            *((key, f"Bundle.entry[1].resource.{place}") for key, place in (NO_CUSTODIAN, NO_USE)),
        }
        for name in ("td2-1-remplacement", "td2-iti65-lot-soumission")
    },
    "DocumentReference-example-td2-iti105-publication-simplifiee.json": {
        ("cardinality-min", "DocumentReference.custodian")
    },
    **{
        f"DocumentReference-{name}.json": {(k, f"DocumentReference.{place}") for k, place in (NO_CUSTODIAN, NO_USE)}
        for name in (
            "doc-x-id",
            "example-annexe-docref-cda",
            "example-annexe-docref-fhir",
            "example-td3-1a-cr-consultation",
            "example-td3-1a-fhir-document",
            "example-td3-1a-ordonnance",
        )
    },
}


@pytest.mark.parametrize("name", NAMES)
def test_examples_of_the_guides_break_the_rules_they_are_known_to_break(name: str):
    found, registry = _guides()
    judge = Validator(registry)
    wrong = {}
    for file, tree in found[name].examples.items():
        errors = {(i.key, i.expression) for i in judge.validate(tree) if i.severity == "error"}
        if errors != DEFECTS.get(file, set()):
            wrong[file] = errors
    assert not wrong


def test_a_lenient_validator_takes_a_document_without_custodian():
    found, registry = _guides()
    tree = found["ans.fhir.fr.pdsm4dmp-0.1.0"].examples["DocumentReference-doc-x-id.json"]
    judge = Validator(registry, lenient=frozenset(["cardinality-min", "target-profile"]))
    assert {i.severity for i in judge.validate(tree)} == {"warning"}


def _archive(path: Path, **files: Any) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            body = json.dumps(content).encode() if not isinstance(content, bytes) else content
            member = tarfile.TarInfo(f"package/{name}.json")
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return path


def test_a_file_that_cannot_be_read_is_said_and_not_fatal(tmp_path: Path):
    path = _archive(
        tmp_path / "a.tgz", package={"name": "a", "version": "1"}, bad=b"{", Patient={"resourceType": "Patient"}
    )
    package = packages.load(path)
    assert [r["resourceType"] for r in package.resources] == ["Patient"]
    assert [i.key for i in package.issues] == ["package-file"]


def test_a_profile_that_is_refused_is_said_and_the_others_are_used(tmp_path: Path):
    bad = {"resourceType": "StructureDefinition", "url": "http://x", "type": "Nothing", "derivation": "constraint"}
    package = packages.load(_archive(tmp_path / "a.tgz", package={"name": "a", "version": "1"}, bad=bad))
    assert [i.key for i in packages.add(package, Profiles())] == ["profile-type"]


@pytest.mark.parametrize("content", [b"", b"not an archive", b"\x1f\x8b\x08\x00"])
def test_what_is_not_a_package_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "a.tgz"
    path.write_bytes(content)
    with pytest.raises(Invalid):
        packages.load(path)


def test_a_folder_is_read_as_its_archive_is(tmp_path: Path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "package.json").write_text('{"name": "a", "version": "1", "dependencies": {"b": "2"}}')
    (tmp_path / "package" / "Patient-a.json").write_text('{"resourceType": "Patient"}')
    package = packages.load(tmp_path)
    assert (package.name, package.missing({}), len(package.resources)) == ("a", {"b": "2"}, 1)
    with pytest.raises(Invalid):
        packages.load(tmp_path / "nowhere")


def test_what_is_passed_over_counts_against_the_most_that_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(packages, "MAX_PACKAGE", 10_000)
    path = tmp_path / "a.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, size in (("package/package.json", 2), ("package/other/zeros.bin", 20_000)):
            member = tarfile.TarInfo(name)
            member.size = size
            archive.addfile(member, io.BytesIO(b"{}".ljust(size, b"\0")))
    with pytest.raises(Invalid) as refused:
        packages.load(path)
    assert refused.value.issues[0].code == "too-long"


@pytest.mark.parametrize(
    "name", ["../evil.json", "/tmp/evil.json", "package/../../evil.json", "package/x/../evil.json"]
)
def test_a_member_that_points_out_of_the_package_is_passed_over(tmp_path: Path, name: str):
    path = tmp_path / "a.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for one, content in (("package/package.json", {"name": "a"}), (name, {"resourceType": "Patient"})):
            body = json.dumps(content).encode()
            member = tarfile.TarInfo(one)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
        link = tarfile.TarInfo("package/link.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert packages.load(path).resources == ()
