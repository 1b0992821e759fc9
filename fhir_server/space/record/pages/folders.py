"""A patient's own folders, and the documents they pinned: Lists that hold references in the order they were added."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.personal_lists import KINDS, Kind

#: Folders of one patient that are shown, and documents of one folder.
MOST, LONGEST_NAME, MOST_ENTRIES = 50, 50, 500
_DISPLAYS = {"folder": "Dossier personnel", "pinned": "Documents épinglés"}


@dataclass(frozen=True, slots=True)
class Folder:
    """One of them.

    Attributes:
        id: of the List.
        name: as its owner calls it.
        documents: ids, in the order they were added.
        tree: the List.
    """

    id: str
    name: str
    documents: tuple[str, ...]
    tree: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How a patient arranged a record: folders by name, and what is pinned; None before anything was."""

    folders: Sequence[Folder] = ()
    pinned: Folder | None = None

    def folder(self, id: str) -> Folder | None:
        """The folder of that id."""
        return next((one for one in self.folders if one.id == id), None)

    def pins(self, document: str) -> bool:
        """Whether a document is pinned."""
        return self.pinned is not None and document in self.pinned.documents


async def arrangement(asking: Asking) -> Arrangement:
    """How the patient in context arranged the record."""
    asked = [("patient", f"Patient/{asking.grant.patient}"), ("code", f"{KINDS}|"), ("status", "current")]
    found = await asking.find("List", [*asked, ("_count", str(MOST + 1))])
    folders = {kind: [_folder(one) for one in found.trees if _kind(one) == kind] for kind in ("folder", "pinned")}
    by_name = sorted(folders["folder"], key=lambda one: one.name.casefold())
    return Arrangement(by_name, next(iter(folders["pinned"]), None))


async def put(asking: Asking, folder: Folder, document: str) -> None:
    """Put a document into a folder, at its end; where it is already, nothing changes.

    Raises:
        FhirError: it is refused, or the folder has changed meanwhile (412).
    """
    if document not in folder.documents and len(folder.documents) < MOST_ENTRIES:
        entry = [*folder.tree.get("entry", ()), _entry(document)]
        await asking.update({**folder.tree, "date": _now(), "entry": entry})


async def take(asking: Asking, folder: Folder, document: str) -> None:
    """Take a document out of a folder.

    Raises:
        FhirError: as `put`.
    """
    left = [one for one in folder.tree.get("entry", ()) if _named(one) != document]
    # R4 ele-1: an element that is there is not empty.
    rest = {name: value for name, value in folder.tree.items() if name != "entry"}
    await asking.update({**rest, "date": _now(), **({"entry": left} if left else {})})


async def make(asking: Asking, kind: Kind, name: str, documents: Sequence[str] = ()) -> Folder:
    """A new folder, or the first pin; what is there where another request made it at the same instant.

    Raises:
        FhirError: it is refused.
    """
    coding = {"system": KINDS, "code": kind, "display": _DISPLAYS[kind]}
    made = await asking.create(
        {
            "resourceType": "List",
            "status": "current",
            "mode": "working",
            "title": name,
            "code": {"coding": [coding]},
            "subject": {"reference": f"Patient/{asking.grant.patient}"},
            "date": _now(),
            **({"entry": [_entry(one) for one in documents]} if documents else {}),
        },
        _unless(asking, kind, name),
    )
    return _folder(made)


def _unless(asking: Asking, kind: Kind, name: str) -> str:
    """The condition that a patient has no such folder: https://hl7.org/fhir/R4/http.html#ccreate."""
    said = [("patient", f"Patient/{asking.grant.patient}"), ("code", f"{KINDS}|{kind}"), ("status", "current")]
    # R4 search.html#escaping.
    exact = re.sub(r"([\\,$|])", r"\\\1", name)
    return urlencode([*said, *([("title:exact", exact)] if kind == "folder" else [])])


def _folder(tree: dict[str, Any]) -> Folder:
    named = tuple(filter(None, map(_named, tree.get("entry", ()))))
    return Folder(tree["id"], str(tree.get("title", "")), named, tree)


def _kind(tree: dict[str, Any]) -> str:
    return next(
        (one.get("code", "") for one in tree.get("code", {}).get("coding", ()) if one.get("system") == KINDS), ""
    )


def _named(entry: dict[str, Any]) -> str:
    return str(entry.get("item", {}).get("reference", "")).removeprefix("DocumentReference/")


def _entry(document: str) -> dict[str, Any]:
    return {"item": {"reference": f"DocumentReference/{document}"}}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
