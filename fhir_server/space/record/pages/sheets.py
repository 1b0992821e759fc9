"""What a page says of one document: a DocumentReference in the words of people.

https://interop.esante.gouv.fr/ig/fhir/pdsm (pdsm-comprehensive-document-reference).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fhir_server.space.record.content.kinds import plain
from fhir_server.space.record.pages.categories import CATEGORIES, Words, category, type_words

Tree = Mapping[str, Any]

#: Labels that hide a document from somebody: code of TRE_A07 → from whom, as its holder or its author is told.
HIDING: Mapping[str, Words] = {
    "MASQUE_PS": ("Masqué aux professionnels", "Hidden from professionals"),
    "INVISIBLE_PATIENT": ("Pas encore visible par le patient", "Not yet visible to the patient"),
    "INVISIBLE_REPRESENTANTS_LEGAUX": (
        "Non visible par les représentants légaux",
        "Not visible to legal representatives",
    ),
}
#: Media type, by one name → what people call it.
_FORMATS: Mapping[str, Words] = {
    "application/pdf": ("PDF", "PDF"),
    "application/rtf": ("texte RTF", "RTF text"),
    "text/plain": ("texte", "text"),
    "image/jpeg": ("image JPEG", "JPEG image"),
    "image/png": ("image PNG", "PNG image"),
    "image/tiff": ("image TIFF", "TIFF image"),
    "application/xml": ("document CDA", "CDA document"),
    "application/fhir+json": ("document FHIR", "FHIR document"),
}
#: Who stands for themself by a type alone → what they are called.
_AUTHORS: Mapping[str, Words] = {
    "Patient": ("Le patient", "The patient"),
    "RelatedPerson": ("Un proche", "Someone close"),
    "Device": ("Un service numérique", "A digital service"),
}


_ARCHIVED = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-ext-is-archived"


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote a document: a reference to them, "" where only the document tells of them, and their name or ""."""

    reference: str
    type: str
    name: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """One document.

    Attributes:
        id: of the DocumentReference.
        title, description: as its author wrote them.
        kind: what its type is called.
        category: what its category is called.
        happened, added: when the act began, and when it was filed: FHIR dateTimes, "" where they are not said.
        authors: who wrote it.
        custodian: the establishment that keeps it.
        labels: codes that hide it from somebody, of `HIDING`.
        archived: whether its author put it aside.
        current: whether no later version replaces it.
        format: what its kind of file is called.
        media_type: of its content.
        size: in bytes; 0 where it is not said.
        binary: id of the Binary that holds it; "" where it is inside, or elsewhere.
        replaces: ids of the documents that it replaces.
        tree: the resource.
    """

    id: str
    title: str
    description: str
    kind: str
    category: Words
    happened: str
    added: str
    authors: tuple[Author, ...]
    custodian: str
    labels: tuple[str, ...]
    archived: bool
    current: bool
    format: Words
    media_type: str
    size: int
    binary: str
    replaces: tuple[str, ...]
    tree: Tree

    @property
    def masked(self) -> bool:
        """Whether professionals who did not write it do not see it."""
        return "MASQUE_PS" in self.labels

    @property
    def own(self) -> bool:
        """Whether a patient, or somebody for them, wrote it."""
        return bool(self.authors) and all(one.type in ("Patient", "RelatedPerson") for one in self.authors)


def sheet(tree: Tree, known: Mapping[str, Tree] = MappingProxyType({})) -> Sheet:
    """What is said of a document; `known` has resources that it refers to, by reference."""
    content = _first(tree.get("content"))
    attachment = content.get("attachment", {})
    media = str(attachment.get("contentType", "")).partition(";")[0].strip().lower()
    kind = _kind(tree)
    return Sheet(
        id=tree["id"],
        title=str(attachment.get("title") or tree.get("description") or kind),
        description=str(tree.get("description", "")),
        kind=kind,
        category=CATEGORIES[category(tree)].words,
        happened=str(tree.get("context", {}).get("period", {}).get("start", "")),
        added=str(tree.get("date", "")),
        authors=tuple(_authors(tree, known)),
        custodian=_name(*_resolved(tree, tree.get("custodian", {}), known)),
        labels=tuple(code for code in HIDING if code in _labels(tree)),
        archived=_archived(tree),
        current=tree.get("status") == "current",
        format=format_words(media),
        media_type=media,
        size=int(attachment.get("size", 0)),
        binary=_binary(str(attachment.get("url", ""))),
        replaces=tuple(_replaced(tree)),
        tree=tree,
    )


def author_words(author: Author) -> Words:
    """What an author is called: by their name, or by what they are."""
    return (
        (author.name, author.name) if author.name else _AUTHORS.get(author.type, ("Auteur inconnu", "Unknown author"))
    )


def format_words(media_type: str) -> Words:
    """What a kind of file is called."""
    return _FORMATS.get(plain(media_type), (media_type or "–", media_type or "–"))


def bytes_words(size: int) -> Words:
    """A size as people read it."""
    if size < 1024 * 1024:
        kilo = max(1, round(size / 1024))
        return f"{kilo} Ko", f"{kilo} KB"
    mega = f"{size / 1024 / 1024:.1f}"
    return f"{mega.replace('.', ',')} Mo", f"{mega} MB"


def _kind(tree: Tree) -> str:
    type = tree.get("type", {})
    codings = [(str(one.get("system", "")), str(one.get("code", ""))) for one in type.get("coding", ())]
    known = next((type_words()[key] for key in codings if key in type_words()), "")
    said = (one.get("display", "") for one in type.get("coding", ()))
    return known or str(type.get("text") or next(filter(None, said), "") or "Document")


def _authors(tree: Tree, known: Mapping[str, Tree]) -> Iterator[Author]:
    for one in tree.get("author", ()):
        type, found = _resolved(tree, one, known)
        if type == "PractitionerRole" and "practitioner" in found:
            _, person = _resolved(tree, found["practitioner"], known)
            found = person or found
        reference = str(one.get("reference", ""))
        yield Author("" if reference.startswith("#") else reference, type, _name(type, found))


def _resolved(tree: Tree, reference: Tree, known: Mapping[str, Tree]) -> tuple[str, Tree]:
    """The type that a reference leads to, and what is known of it: the resource, or what the reference says."""
    said = str(reference.get("reference", ""))
    if said.startswith("#"):
        inside: Tree = next((one for one in tree.get("contained", ()) if one.get("id") == said[1:]), {})
        return str(inside.get("resourceType", "")), inside
    type = said.rpartition("/")[0].rpartition("/")[2] or str(reference.get("type", ""))
    return type, known.get(said) or ({"name": reference["display"]} if reference.get("display") else {})


def _name(type: str, found: Tree) -> str:
    """What somebody is called, or something; "" where it is not said."""
    name = _first(found.get("deviceName")).get("name") if type == "Device" else found.get("name")
    if name is None or isinstance(name, str):
        return name or ""
    human = _first(name)
    words = [*(human.get("given") or ()), human.get("family", "")]
    return " ".join(str(one) for one in words if one) or str(human.get("text", ""))


def _labels(tree: Tree) -> set[str]:
    return {str(one.get("code", "")) for label in tree.get("securityLabel", ()) for one in label.get("coding", ())}


def _archived(tree: Tree) -> bool:
    return any(one.get("url") == _ARCHIVED and one.get("valueBoolean") is True for one in tree.get("extension", ()))


def _binary(url: str) -> str:
    parts = url.rstrip("/").split("/")
    return parts[-1] if len(parts) >= 2 and parts[-2] == "Binary" else ""


def _replaced(tree: Tree) -> Iterator[str]:
    for one in tree.get("relatesTo", ()):
        target = str(one.get("target", {}).get("reference", ""))
        if one.get("code") == "replaces" and target.startswith("DocumentReference/"):
            yield target.removeprefix("DocumentReference/")


def _first(values: Any) -> Tree:
    found: Tree = next(iter(values or ()), {})
    return found
