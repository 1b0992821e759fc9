"""HL7's cases for validators: which of them are about R4 and can be judged here, and what their own validator says.

https://github.com/FHIR/fhir-test-cases/tree/master/validator. Left out is what needs packages of other guides, logical
models, other formats than JSON and XML, or settings of that validator which ask for something else than whether a
resource is right.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fhir_server.fhir import xml
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError

Tree = dict[str, Any]
#: Modules that are about something else than R4 resources as they are sent.
_ELSEWHERE = frozenset(
    "cda cdshooks shc json5 dsig api tx-advanced package-versioning versions scoring xver matchetype".split()
)
#: Members of a case that ask for what cannot be had here.
_UNAVAILABLE = frozenset(("packages", "package-map", "logical", "fetcher"))
#: Members that give other files beside the resource, or ask their validator for more or for less than it says by itself.
_BESIDE = frozenset(("supporting", "profile", "profiles"))
_SETTINGS = frozenset(
    (
        "advisor allowed-extension-domain assumeValidRestReferences best-practice bundle-param certificate crumb-trail"
        " examples fetch-canonicals for-publication generate-shapshot ips language no-experimental-content no-tx"
        " noHtmlInMarkdown r5-bundle-relative-reference-policy sct security-checks validateContains validateReference"
        " wrong-displays"
    ).split()
)
#: The module whose cases ask a terminology server.
_TERMINOLOGY = "tx"


@dataclass(frozen=True, slots=True)
class Case:
    """One verdict of HL7's validator.

    Attributes:
        name: of the case, followed by `#profile` where it is that by a profile.
        file: the resource.
        supporting: definitions that the verdict needs.
        profile: the file or canonical of the profile asked for, "" for none.
        refused: whether HL7's validator finds an error.
        alone: it is the resource by itself, without other files and settings.
        coded: their validator asks a terminology server.
    """

    name: str
    file: str
    supporting: tuple[str, ...]
    profile: str
    refused: bool
    alone: bool
    coded: bool


@cache
def cases(folder: Path) -> tuple[Case, ...]:
    """Those that are judged here, in the order of the manifest."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    return tuple(case for row in manifest["test-cases"] if _is_wanted(row) for case in _of(row, folder))


def _is_wanted(row: Tree) -> bool:
    return (
        str(row.get("version", "")).startswith("4.0")
        and row.get("use-test") is not False
        and not _UNAVAILABLE & row.keys()
        and row.get("module") not in _ELSEWHERE
        and row["file"].endswith((".json", ".xml"))
    )


def _of(row: Tree, folder: Path) -> Iterator[Case]:
    more = (*row.get("supporting", ()), *row.get("profiles", ()))
    base = _refused(row.get("java"), folder)
    coded = row.get("module") == _TERMINOLOGY
    if base is not None:
        yield Case(row["name"], row["file"], more, "", base, row.keys().isdisjoint(_BESIDE | _SETTINGS), coded)
    profile = row.get("profile")
    if isinstance(profile, dict) and "logical" not in profile:
        told = _refused(profile.get("java"), folder)
        if told is not None and "java" in row:
            also = (*profile.get("supporting", ()), *profile.get("profiles", ()))
            name, source = f"{row['name']}#profile", profile.get("source", "")
            yield Case(name, row["file"], (*more, *also), source, told, False, coded)


def _refused(said: Any, folder: Path) -> bool | None:
    """Whether an outcome, a file's name or the outcome itself, holds an error; None without one."""
    if isinstance(said, str):
        file = folder / "outcomes" / said
        said = json.loads(file.read_bytes()) if file.exists() else None
    if not isinstance(said, dict):
        return None
    issues = said.get("outcome", said).get("issue", ())
    return any(one["severity"] in ("error", "fatal") for one in issues)


def read(file: Path) -> Tree:
    """A resource in JSON or XML.

    Raises:
        FhirError: it is neither.
    """
    body = file.read_bytes()
    return parse(xml.to_json(body) if file.suffix == ".xml" else body)


def readable(folder: Path, names: tuple[str, ...]) -> Iterator[Tree]:
    """The definitions in files, those of a Bundle one by one; what cannot be read is passed over."""
    for name in names:
        if not name.endswith((".json", ".xml")) or not (folder / name).is_file():
            continue
        try:
            tree = read(folder / name)
        except FhirError:
            continue
        rows = tree.get("entry", []) if tree.get("resourceType") == "Bundle" else [{"resource": tree}]
        yield from (row["resource"] for row in rows if isinstance(row.get("resource"), dict))
