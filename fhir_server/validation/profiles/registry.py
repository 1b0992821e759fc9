"""The profiles this server knows: R4's own and those that come with it, read when asked for, and those added later.

https://hl7.org/fhir/R4/profiling.html. A profile that nothing could be judged by is refused when
it is added, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import msgspec

from fhir_server.fhir import definitions
from fhir_server.fhir.fhirpath.expression import compile
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError, Invalid
from fhir_server.validation.profiles import contradictions
from fhir_server.validation.profiles.snapshots import MAX_ELEMENTS, Definition, Node, elements, snapshot
from fhir_server.validation.shipped import shipped
from fhir_server.validation.shipped import supported as shipped_by_type
from fhir_server.validation.steps import STRING, is_primitive, steps


class Profiles:
    """A registry of StructureDefinitions by canonical, with and without version."""

    def __init__(self) -> None:
        self._added: dict[str, dict[str, Definition | bytes]] = {}
        self._snapshots: dict[tuple[str, str], Node] = {}
        #: Counts changes, so that what was compiled from an earlier state can be let go.
        self.generation = 0

    def add(self, definition: Definition) -> None:
        """Make a profile usable, over an earlier one of the same canonical and version.

        Raises:
            Invalid: it cannot be judged by; the issue names its element and the reason.
        """
        check(definition, self)
        self.hold(definition["url"], str(definition.get("version", "")), definition)

    def hold(self, url: str, version: str, definition: Definition | bytes) -> None:
        """Make a profile usable that was checked before; its JSON is read when it is first asked for."""
        versions = self._added.setdefault(url, {})
        versions.pop(version, None)
        versions[version] = definition
        self._changed()

    def remove(self, canonical: str) -> bool:
        """Forget an added profile, all its versions when `canonical` names none; whether there was one."""
        url, _, version = canonical.partition("|")
        versions = self._added.get(url, {})
        gone = [v for v in versions if not version or v == version]
        for one in gone:
            del versions[one]
        if not versions:
            self._added.pop(url, None)
        self._changed()
        return bool(gone)

    def drop(self, url: str, version: str) -> None:
        """Forget one version of an added profile; `remove` reads a canonical, where no version means all."""
        versions = self._added.get(url, {})
        versions.pop(version, None)
        if not versions:
            self._added.pop(url, None)
        self._changed()

    def find(self, canonical: str) -> Definition | None:
        """The profile of `url` or `url|version`; without version the last one added. None when it is not known."""
        url, _, version = canonical.partition("|")
        versions = self._added.get(url)
        if versions and (not version or version in versions):
            return self._read(versions, version or next(reversed(versions)))
        found = shipped(url) or _own().get(url)
        own = definitions.FHIR_VERSION if url.startswith(definitions.SPECIFICATION) else ""
        return found if found and version in ("", found.get("version", own)) else None

    @staticmethod
    def _read(versions: dict[str, Definition | bytes], version: str) -> Definition:
        found = versions[version]
        if isinstance(found, bytes):
            found = versions[version] = parse(found, max_depth=1000)
        return found

    def snapshot(self, definition: Definition) -> Node:
        """Everything a profile of this registry says, its bases included."""
        key = (definition["url"], str(definition.get("version", "")))
        if key not in self._snapshots:
            # A snapshot says all that its bases say; what we wrote of them from a guide's facts may say it differently.
            find = self._beside if elements(definition, "snapshot") else self.find
            self._snapshots[key] = snapshot(definition, find)
        return self._snapshots[key]

    def _beside(self, canonical: str) -> Definition | None:
        return None if shipped(canonical.partition("|")[0]) and not self._is_added(canonical) else self.find(canonical)

    def _is_added(self, canonical: str) -> bool:
        url, _, version = canonical.partition("|")
        versions = self._added.get(url, {})
        return bool(versions) and version in ("", *versions)

    def __iter__(self) -> Iterator[Definition]:
        """The added profiles, all versions."""
        return (self._read(versions, v) for versions in self._added.values() for v in list(versions))

    def supported(self) -> dict[str, list[str]]:
        """Resource type → canonicals of the profiles of it, those that come with the server and those added."""
        found = {type: dict.fromkeys(urls) for type, urls in shipped_by_type().items()}
        for definition in self:
            if definition.get("kind") == "resource":
                found.setdefault(definition["type"], {})[definition["url"]] = None
        return {type: sorted(urls) for type, urls in found.items()}

    def _changed(self) -> None:
        self._snapshots.clear()
        self.generation += 1


@cache
def _own() -> dict[str, Definition]:
    """R4's own 441 profiles and extensions by URL."""
    lines = (definitions.folder("profiles") / "hl7.fhir.r4.core" / "profiles.ndjson").read_bytes()
    return {d["url"]: d for d in msgspec.json.decode(b"[" + b",".join(lines.splitlines()) + b"]", strict=False)}


def check(definition: Definition, profiles: Profiles) -> None:
    """Refuse a StructureDefinition that nothing could be judged by.

    Raises:
        Invalid: with the element and the reason.
    """
    url, type = definition.get("url"), definition.get("type")
    if definition.get("resourceType") != "StructureDefinition" or not isinstance(url, str) or not url:
        raise Invalid("A profile is a StructureDefinition with a url.", "StructureDefinition.url", key="profile-url")
    if definition.get("derivation") != "constraint" or type not in definitions.types():
        raise Invalid(
            f"{url} does not constrain a type of R4.",
            "StructureDefinition.type",
            key="profile-type",
            code="not-supported",
        )
    try:
        _judge(definition, profiles)
    except (AttributeError, TypeError, ValueError, KeyError) as error:
        text = f"{url} is not written as R4 asks: {error.__class__.__name__}."
        raise Invalid(text, "StructureDefinition", key="profile-elements") from None


def _judge(definition: Definition, profiles: Profiles) -> None:
    url, type = definition["url"], definition["type"]
    own = elements(definition, "differential")
    all_elements = own + elements(definition, "snapshot")
    if not all_elements or len(all_elements) > MAX_ELEMENTS:
        raise Invalid(
            f"{url} has {'no' if not all_elements else 'too many'} elements.",
            "StructureDefinition.differential",
            key="profile-elements",
        )
    _cycle(definition, profiles)
    base = _base(definition, profiles)
    root = snapshot(definition, profiles.find)
    for position, element in enumerate(own or all_elements):
        try:
            _check_element(element)
        except FhirError as error:
            at = f"StructureDefinition.differential.element[{position}]"
            where = str(element.get("id") or element.get("path") or "")[:200]
            raise Invalid(f"{url}, {where}: {error}", at, key="profile-element") from None
    if not is_primitive(str(type)):
        _check_paths(root, str(type), url)
        contradictions.refuse(root, base, str(type))


def _base(definition: Definition, profiles: Profiles) -> Node | None:
    """What the profile that another builds on says; None where that is a type of R4, or not known.

    Raises:
        Invalid: it constrains another type.
    """
    url, canonical = definition["url"], str(definition.get("baseDefinition", ""))
    base = profiles.find(canonical)
    name = canonical.partition("|")[0].removeprefix(definitions.SPECIFICATION)
    type = str(base["type"]) if base else name if name in definitions.types() else definition["type"]
    if type not in definitions.lineage(definition["type"]):
        text = f"{url} constrains {definition['type']}, and builds on a profile of {type}."
        raise Invalid(text, "StructureDefinition.baseDefinition", key="profile-base")
    return snapshot(base, profiles.find) if base else None


def _cycle(definition: Definition, profiles: Profiles) -> None:
    seen = {definition["url"]}
    canonical = str(definition.get("baseDefinition", ""))
    while canonical:
        if canonical.partition("|")[0] in seen:
            text = f"The bases of {definition['url']} form a circle."
            raise Invalid(text, "StructureDefinition.baseDefinition", key="profile-cycle")
        seen.add(canonical.partition("|")[0])
        canonical = str((profiles.find(canonical) or {}).get("baseDefinition", ""))


def _check_element(element: Mapping[str, Any]) -> None:
    for one in element.get("type", ()):
        code = str(one.get("code", "")) if isinstance(one, dict) else ""
        if code not in definitions.types() and not code.startswith("http://hl7.org/fhirpath/System."):
            raise Invalid(f"there is no type {code[:100]} in R4")
    for constraint in element.get("constraint", ()):
        if isinstance(constraint, dict) and isinstance(constraint.get("expression"), str):
            compile(constraint["expression"])
    maximum = element.get("max", "*")
    if maximum != "*" and not (isinstance(maximum, str) and maximum.isascii() and maximum.isdigit()):
        raise Invalid("max is a number or *")
    if not isinstance(element.get("min", 0), int):
        raise Invalid("min is a number")


def _check_paths(node: Node, path: str, url: str) -> None:
    """Every element the profile speaks of is one that its type has."""
    for name, child in node.children.items():
        into = leads_to(path, name, child)
        if into is None:
            text = f"{url}: {path} has no element {name[:100]}."
            raise Invalid(text, "StructureDefinition.differential", key="profile-path")
        for one in (child, *child.slices.values()):
            for target in into if one is child or not one.types else (leads_to(path, name, one) or into):
                _check_paths_into(one, target, url, len(into) > 1)


def _check_paths_into(node: Node, path: str, url: str, several: bool) -> None:
    # Of a choice, the children need to be known to one of its types only.
    if not several and path not in ("Resource", STRING):
        _check_paths(node, path, url)


def leads_to(path: str, name: str, node: Node) -> tuple[str, ...] | None:
    """Where the children of an element are defined, one for each type it may have; None without such an element."""
    table = steps(path) if path not in ("Resource",) else {**steps("DomainResource")}
    plain = name.removesuffix("[x]")
    if path == "Element" and plain == "value":
        return (STRING,)  # what a primitive says, apart from its id and extensions
    found = [s for k, s in table.items() if not s.sibling and (s.name == plain or k == name)]
    if not found:
        return None
    codes = {t.get("code") for t in node.types}
    kept = [s for s in found if s.type is None or s.type.code in codes] if codes and len(found) > 1 else found
    paths = ["Element" if s.type and is_primitive(s.type.code) else s.path for s in kept or found]
    if paths == ["Resource"] and len(codes) == 1 and codes <= definitions.resource_types():
        return (str(next(iter(codes))),)
    return tuple(dict.fromkeys(paths))
