"""Finds code systems, value sets and maps by canonical, and keeps the few that were looked at lately.

https://hl7.org/fhir/R4/references.html#canonical
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from fhir_server.fhir.outcome import FhirError, Invalid, NotFound
from fhir_server.store.concepts import Artifact, Concepts, Kind
from fhir_server.terminology.library import Library, tree

_TREES = 256
Content = Literal["not-present", "example", "fragment", "complete", "supplement"]


class Unknown(NotFound):
    """A canonical that neither R4 nor this server defines (404)."""


class Unexpandable(Invalid):
    """A value set whose members cannot be told: it needs what is not here, or has too many (422)."""


@dataclass(frozen=True, slots=True)
class System:
    """A code system that is here.

    Attributes:
        artifact: where its concepts are.
        content: how much of it is here, as CodeSystem.content says.
        case_sensitive: whether codes differ by case.
        numbers: its own number and those of its supplements.
        head: the resource without its concepts.
    """

    artifact: Artifact
    content: Content
    case_sensitive: bool
    numbers: tuple[int, ...]
    head: dict[str, Any]

    @property
    def canonical(self) -> str:
        """The URL, and `|version` where it has one."""
        a = self.artifact
        return f"{a.url}|{a.version}" if a.version else a.url

    @property
    def properties(self) -> frozenset[str]:
        """Codes of the properties and filters it defines, supplements left out."""
        rows = [row for name in ("property", "filter") for row in self.head.get(name, ())]
        return frozenset(str(row.get("code")) for row in rows if isinstance(row, dict))


@dataclass(frozen=True, slots=True)
class ValueSet:
    """A value set; `key` is another for every content."""

    tree: dict[str, Any]
    key: str

    @property
    def url(self) -> str:
        """Its canonical URL, "" for none."""
        return str(self.tree.get("url", ""))

    @property
    def canonical(self) -> str:
        """The URL, and `|version` where it has one."""
        version = self.tree.get("version")
        return f"{self.url}|{version}" if version else self.url


#: Versions that are named to whoever asks for another.
_SOME = 5


class Catalogue:
    """What is known, by canonical."""

    def __init__(self, library: Library) -> None:
        """Nothing is looked at yet."""
        self._library = library
        self._generation = -1
        self._found: dict[tuple[str, str], Any] = {}

    @property
    def concepts(self) -> Concepts:
        """Where the concepts are."""
        return self._library.concepts

    def artifact(self, kind: Kind, canonical: str, version: str = "", at: str = "") -> Artifact | None:
        """By `url`, `url|version` or `Type/id`; without a version the latest, the server's own before R4's.

        Args:
            kind: of the resource.
            canonical: its URL.
            version: where the canonical names none.
            at: a date; then the latest version of that date, or the first where all are later.
        """
        url, _, own = canonical.partition("|")
        wanted = own or version
        if url.startswith(f"{kind}/"):
            return self.concepts.artifact(url)
        candidates = self.concepts.artifacts(kind, url)
        if own and not candidates:
            # R4's code systems of the tables of HL7 v2 have URLs that end with a version themselves.
            return next(iter(self.concepts.artifacts(kind, canonical)), None)
        if at and not wanted and len(candidates) > 1:
            return next((a for a in candidates if _is_of(a, at)), candidates[-1])
        return next((a for a in candidates if not wanted or agrees(a.version, wanted)), None)

    def beside(self, kind: Kind, canonical: str, version: str = "") -> str:
        """What is to be said of a version that is not here: which are; "" where none is, or none was asked for."""
        url, _, own = canonical.partition("|")
        here = [one.version for one in self.concepts.artifacts(kind, url) if one.version]
        if not here or not (own or version):
            return ""
        return f"version {(own or version)[:64]} of {url[:200]} is not here, but {', '.join(here[:_SOME])}"

    def system(self, canonical: str, version: str = "", at: str = "") -> System | None:
        """A code system that is here; `at` as for `artifact`."""
        key = ("system", f"{canonical}|{version} {at}")
        cached = self._cached()
        if key not in cached:
            found = self.artifact("CodeSystem", canonical, version, at)
            cached[key] = found and self._system(found)
        known: System | None = cached[key]
        return known

    def _system(self, found: Artifact) -> System:
        head = tree(found)
        more = [s.number for s in self.concepts.supplements(found.url) if _adds(s.supplements, found.version)]
        content = head.get("content", "complete")
        return System(found, content, bool(head.get("caseSensitive", True)), (found.number, *more), head)

    def value_set(self, canonical: str, version: str = "", at: str = "") -> ValueSet | None:
        """A value set that is here, or one that a code system or its URL implies; `at` as for `artifact`."""
        key = ("value-set", f"{canonical}|{version} {at}")
        cached = self._cached()
        if key not in cached:
            found = self.artifact("ValueSet", canonical, version, at)
            cached[key] = ValueSet(tree(found), f"{found.source}@{found.stamp}") if found else None
            cached[key] = cached[key] or self._implied(canonical, version)
        known: ValueSet | None = cached[key]
        return known

    def _implied(self, canonical: str, version: str) -> ValueSet | None:
        """R4 codesystem.html#CodeSystem.valueSet and the `?fhir_vs` of https://hl7.org/fhir/R4/snomedct.html#implicit."""
        bare, _, own = canonical.partition("|")
        url, mark, rest = bare.partition("?fhir_vs")
        wanted = own or version
        if mark:
            return self._below(bare, url, rest)
        if self.concepts.artifacts("ValueSet", bare):
            return None  # It is a value set of its own, in other versions.
        for artifact in self.concepts.all("CodeSystem"):
            if artifact.supplements or url.encode() not in artifact.body:
                continue
            said = str(tree(artifact).get("valueSet", "")).partition("|")[0]
            if said == url and (not wanted or agrees(artifact.version, wanted)):
                return _whole(bare, {"system": artifact.url} | ({"version": artifact.version} if wanted else {}))
        return None

    def _below(self, canonical: str, url: str, rest: str) -> ValueSet | None:
        if self.system(url) is None or not (rest.startswith("=isa/") or not rest):
            return None
        include: dict[str, Any] = {"system": url}
        if rest:
            include["filter"] = [{"property": "concept", "op": "is-a", "value": rest.removeprefix("=isa/")}]
        return _whole(canonical, include)

    def _cached(self) -> dict[tuple[str, str], Any]:
        if self._generation != self._library.generation or len(self._found) > _TREES:
            self._generation, self._found = self._library.generation, {}
        return self._found


class Lent(Catalogue):
    """A catalogue with value sets that came with a question, for that question only."""

    def __init__(self, catalogue: Catalogue, lent: Iterable[ValueSet]) -> None:
        """Those of `lent` stand before what is known under the same canonical."""
        super().__init__(catalogue._library)
        self._base = catalogue
        self._lent = {value_set.url: value_set for value_set in lent}

    @property
    def key(self) -> str:
        """Another for every content of what is lent; "" for nothing."""
        return hashlib.sha256(" ".join(sorted(v.key for v in self._lent.values())).encode()).hexdigest()

    def system(self, canonical: str, version: str = "", at: str = "") -> System | None:
        """As of the catalogue itself."""
        return self._base.system(canonical, version, at)

    def value_set(self, canonical: str, version: str = "", at: str = "") -> ValueSet | None:
        """One that is lent, else as of the catalogue itself."""
        url, _, own = canonical.partition("|")
        lent = self._lent.get(url)
        wanted = own or version
        if lent is not None and (not wanted or agrees(str(lent.tree.get("version", "")), wanted)):
            return lent
        return self._base.value_set(canonical, version, at)


def _whole(url: str, include: dict[str, Any]) -> ValueSet:
    version = include.get("version")
    found = {"resourceType": "ValueSet", "url": url, "status": "active", "compose": {"include": [include]}}
    return ValueSet(found | ({"version": version} if version else {}), f"implied {url}|{version or ''}")


def given(resource: dict[str, Any]) -> ValueSet:
    """A value set that came with the question.

    Raises:
        Invalid: it is none.
    """
    if resource.get("resourceType") != "ValueSet":
        raise Invalid("This is not a ValueSet.", "valueSet")
    try:
        whole = msgspec.json.encode(resource, order="deterministic")
    except (TypeError, ValueError) as error:
        raise Invalid("This is not a ValueSet.", "valueSet") from error
    return ValueSet(resource, f"given {hashlib.sha256(whole).hexdigest()}")


def required(found: ValueSet | None, url: str, beside: str = "") -> ValueSet:
    """The value set; `beside` as `Catalogue.beside` says it of what is not here.

    Raises:
        Unknown: there is none.
    """
    if found is None:
        raise unknown("value set", url, "http.url", beside)
    return found


def unknown(what: str, canonical: str, parameter: str | None = None, beside: str = "") -> FhirError:
    """The error that says so; `parameter` is the one that named it (`http.url`), `beside` what is here instead."""
    return Unknown(f"The {what} {canonical[:200]} is not known here{beside and f': {beside}'}.", parameter)


def no_code(system: System, code: str, parameter: str = "http.code") -> FhirError:
    """The error that says that a code system has no such code, or that what is here of it has none."""
    text = f"The code {code[:200]} is not in {system.artifact.url[:200]}"
    return (
        NotFound(f"{text}.", parameter)
        if system.content == "complete"
        else Unknown(f"{text} as far as it is here.", parameter)
    )


def agrees(version: str, wanted: str) -> bool:
    """Whether a version is the one wanted. Told apart by parts: 2.1 is any 2.1.x, as bindings write it."""
    return version == wanted or version.startswith(wanted + ".") or version.startswith(wanted + "-")


def _is_of(artifact: Artifact, at: str) -> bool:
    # FHIR's dates and instants, each as exact as it is, sort as text as far as both go.
    said = str(tree(artifact).get("date", ""))
    return said[: len(at)] <= at[: len(said)]


def _adds(supplements: str, version: str) -> bool:
    wanted = supplements.partition("|")[2]
    return not wanted or agrees(version, wanted)
