"""A FHIR document as people read it: the sections of its Composition, in their order.

https://hl7.org/fhir/R4/documents.html#presentation: the subject's narrative where there is one, the Composition's, then
each section's. A section without a text is told by the narratives of what it refers to. Narratives are written anew,
from the elements that FHIR allows in them, by the reader that the site has for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Invalid
from fhir_server.fhir.xml import to_json
from fhir_server.site import moments
from fhir_server.site.narrative import safe
from fhir_server.site.words import Language
from fhir_server.space.record.showing.cda import Shown
from fhir_server.space.record.showing.markup import Page, Tag
from fhir_server.space.record.showing.words import said
from fhir_server.work.budget import BYTES, spend

_HEADINGS: tuple[Tag, ...] = ("h2", "h3", "h4", "h5", "h6")
_DEEPEST = 64
Tree = Mapping[str, Any]


def shown(document: bytes, is_xml: bool, language: Language, zone: str) -> Shown:
    """A document Bundle; arguments and errors as of `cda.shown`.

    Raises:
        Malformed, Invalid: it is no FHIR, or no document (400, 422).
    """
    spend(len(document) // BYTES)
    tree = parse(to_json(document, _DEEPEST) if is_xml else document, _DEEPEST)
    entries = tree.get("entry") if isinstance(tree.get("entry"), list) else []
    resources = {str(one.get("fullUrl", "")): _dict(one.get("resource")) for one in map(_dict, entries or ())}
    composition = _dict(_dict(next(iter(entries or ()), None)).get("resource"))
    if tree.get("resourceType") != "Bundle" or composition.get("resourceType") != "Composition":
        raise Invalid("A FHIR document is a Bundle whose first entry is a Composition.", "Bundle.entry[0]")
    page = Page()
    _summary(page, composition, resources, language, zone)
    page.trusted(_narrative(composition))
    for section in _dicts(composition.get("section")):
        _section(page, section, 0, resources)
    # All of it is built by `Page` and `safe`, which write no other elements than theirs.
    markup = Markup(str(page))  # noqa: S704
    return Shown(str(composition.get("title", "")), str(composition.get("language", "")), markup)


def _section(page: Page, section: Tree, depth: int, resources: Mapping[str, Tree]) -> None:
    title = str(section.get("title") or _dict(section.get("code")).get("text") or "")
    page.open("section")
    if title:
        page.whole(_HEADINGS[min(depth, len(_HEADINGS) - 1)], title)
    text = _narrative(section)
    page.trusted(text)
    for entry in _dicts(section.get("entry")) if not text else ():
        page.trusted(_narrative(_target(entry, resources)))
    for inner in _dicts(section.get("section")):
        _section(page, inner, depth + (1 if title else 0), resources)
    page.close("section")


def _summary(page: Page, composition: Tree, resources: Mapping[str, Tree], language: Language, zone: str) -> None:
    subject = _target(_dict(composition.get("subject")), resources)
    born = str(moments.moment(str(subject.get("birthDate", "")), language, zone).striptags())
    word = f"born-{subject.get('gender')}" if subject.get("gender") in ("male", "female") else "born"
    named = ", ".join(one for one in (_name(subject), said(word, language, born) if born else "") if one)
    authors = [_named(one, resources) for one in _dicts(composition.get("author"))]
    rows = (
        ("patient", named or str(_dict(composition.get("subject")).get("display", ""))),
        ("written", str(moments.moment(str(composition.get("date", "")), language, zone).striptags())),
        ("author" if len(authors) == 1 else "authors", " ; ".join(one for one in authors if one)),
        ("custodian", _named(_dict(composition.get("custodian")), resources)),
    )
    page.open("section")
    page.whole("h2", said("about", language))
    page.open("dl")
    for key, text in rows:
        if text:
            page.whole("dt", said(key, language))
            page.whole("dd", text)
    page.close("dl")
    page.close("section")


def _named(reference: Tree, resources: Mapping[str, Tree]) -> str:
    found = _target(reference, resources)
    if found.get("resourceType") == "PractitionerRole":
        found = _target(_dict(found.get("practitioner")), resources)
    return _name(found) or str(reference.get("display", ""))


def _name(resource: Tree) -> str:
    name = resource.get("name")
    if isinstance(name, str):
        return name
    human = next(_dicts(name), {})
    given = [str(one) for one in human.get("given", ()) if isinstance(one, str)]
    return " ".join([*given, str(human.get("family", ""))]).strip() or str(human.get("text", ""))


def _target(reference: Tree, resources: Mapping[str, Tree]) -> Tree:
    """What a reference leads to inside the Bundle (R4 bundle.html#references); {} where it leads out of it."""
    said_ = str(reference.get("reference", ""))
    if said_ in resources:
        return resources[said_]
    return next((one for url, one in resources.items() if said_ and url.endswith(f"/{said_}")), {})


def _narrative(element: Tree) -> str:
    div = _dict(element.get("text")).get("div")
    return safe(div) if isinstance(div, str) else ""


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else iter(())
