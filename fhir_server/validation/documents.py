"""What belongs to a document: what its Composition names, and what leads from there to each entry, or back.

https://hl7.org/fhir/R4/documents.html#content
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_server.validation.reference_targets import Entries

Tree = dict[str, Any]
#: Elements of a Composition whose targets are part of its document, each the way to a Reference.
_NAMED = ("subject", "encounter", "author", "attester.party", "custodian", "event.detail")
_OF_SECTION = ("author", "focus", "entry")
_DEEPEST = 32


def named(composition: Tree, at: str) -> Iterator[tuple[str, str]]:
    """The literal references of a Composition to what its document has to hold: FHIRPath and what they say."""
    for way in _NAMED:
        yield from _references(composition, way.split("."), at)
    yield from _of_sections(composition, at, _DEEPEST)


def unreached(resources: list[Any], entries: Entries) -> list[int]:
    """The positions of the entries that no chain of references, followed forwards or backwards, leads to.

    Args:
        resources: of the entries in their order, the Composition first; what is no resource is passed over.
        entries: the same, by the URLs that name them.
    """
    numbers = {id(one): n for n, one in enumerate(resources) if isinstance(one, dict)}
    beside: dict[int, set[int]] = {n: set() for n in numbers.values()}
    for one in resources:
        for reference in _said(one) if isinstance(one, dict) else ():
            for target in entries.targets(reference, entries.url(one)):
                here, there = numbers[id(one)], numbers[id(target)]
                beside[here].add(there)
                beside[there].add(here)
    seen, waiting = {0}, [0]
    while waiting:
        new = beside.get(waiting.pop(), set()) - seen
        seen |= new
        waiting += new
    return sorted(set(numbers.values()) - seen)


def _of_sections(holder: Tree, at: str, deep: int) -> Iterator[tuple[str, str]]:
    sections = holder.get("section")
    for number, section in enumerate(sections if isinstance(sections, list) else ()):
        if isinstance(section, dict) and deep:
            here = f"{at}.section[{number}]"
            for name in _OF_SECTION:
                yield from _references(section, [name], here)
            yield from _of_sections(section, here, deep - 1)


def _references(value: Any, way: list[str], at: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from _references(one, way, f"{at}[{number}]")
    elif isinstance(value, dict) and way:
        yield from _references(value.get(way[0]), way[1:], f"{at}.{way[0]}")
    elif isinstance(value, dict):
        reference = value.get("reference")
        if isinstance(reference, str) and not reference.startswith("#"):
            yield f"{at}.reference", reference


def _said(resource: Tree) -> Iterator[str]:
    """Every reference and URL of a resource, contained ones included, by which it may lead to an entry."""
    waiting: list[Any] = [resource]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            for key, value in one.items():
                if isinstance(value, str):
                    if key in ("reference", "url") or key.endswith(("Url", "Uri", "Canonical")):
                        yield value
                else:
                    waiting.append(value)
