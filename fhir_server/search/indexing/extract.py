"""From a resource to its index: every row that a search, a chain, an include or an access rule can ask for.

https://hl7.org/fhir/R4/search.html. The conventions, which `search/kinds` reads queries by:

- token: `Word(code, spelling, system)`, "" for no system. Spelling: small letters, unless the system is known to be
  case-sensitive (`search/parameters/codes.py`). An element of type `code` carries the system of its binding, a boolean
  `http://hl7.org/fhir/special-values`, a ContactPoint its use. A system without a code is `Word(code, "", system)`.
  Text and displays: `Word("code:text", folded, as written)`. Identifiers: `Word("code:of-type", "type code|value",
  system)`.
- reference: `Word(code, "Patient/1", version)` for what is on this server; else the URL, its version beside it; "#id"
  for a contained resource. `code:identifier` as a token, `code:text` for the display; `Word("code:below", url, "1.2")`
  for each version that a canonical's own is below.
- string: `Word(code, folded, as written)`; a second row joins what an apostrophe or hyphen parts.
- uri: `Word(code, uri)`; a canonical's version, if any, beside it.
- date: `Span(code, low, high)` in µs, both inside; an open end is `BEGINNING` or `END`.
- number and quantity: `Span(code, low, high, unit code, system)`; for a quantity also with the unit people read, and
  `Span("code:ucum", low, high, base unit, UCUM)`. A comparator opens an end.
- composite: parts are `code$1`, `code$2`, … with the same `group`; a group is written only when each part has a row.
- near: latitude `Span("near", …)` and longitude `Span("near$2", …)` with the same group.
- `_tag`, `_security`, `_profile`, `_source` as their types say; `_securityContext` is where a Binary refers to ("#" for
  what is no reference); `Word("_contained", type, id)` for each resource inside; `Word("_attachment", "Binary/1")` for
  each attachment kept here; `Word("_several", "1")` of an AuditEvent or Provenance of several patients; what is
  referred to that may be hidden (`search/indexing/cites.py`).
- what chains ask of contained resources: `author:Practitioner.family`, and `Word("author:contained", type)`, with a
  `group` for each contained resource and way to it (`search/indexing/enclosed.py`).
- `_id`, `_lastUpdated` and `_type` are columns of the version, not rows. Strings are cut at 4,000 characters.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext, suppress
from typing import Any

from fhir_server.fhir.references import parse
from fhir_server.search.indexing.attachments import ATTACHMENT, attached
from fhir_server.search.indexing.cites import cites
from fhir_server.search.indexing.content import texts
from fhir_server.search.indexing.enclosed import Enclosing, TooMuchInside
from fhir_server.search.indexing.plan import SURPRISES, Plan, Step, compile_plan
from fhir_server.search.indexing.rows import Rows
from fhir_server.search.parameters.additions import Found, OwnRows
from fhir_server.search.parameters.registry import Registry
from fhir_server.store.filters import Index, Span, Word


def extract(
    type: str,
    tree: dict[str, Any],
    registry: Registry,
    base_url: str = "",
    *,
    beside: list[Any] | None = None,
    written: bool = False,
) -> Index:
    """What can be searched of a resource.

    Args:
        type: its resource type.
        tree: the resource, already valid; an element that is not as its type says has no rows.
        registry: the search parameters in force.
        base_url: the server's own base: absolute references under it are indexed as relative ones.
        beside: of a contained resource, all that its container contains.
        written: the resource is stored already, and what it contains beyond a limit is left out of the index.

    Raises:
        TooMuchInside: what it contains would add too many rows (422).
    """
    whole, tree = tree, left(type, tree, registry.additions.found)
    rows = rows_of(type, tree, registry, base_url)
    contained = tree.get("contained") if not beside else [_left_inside(one, registry.additions.found) for one in beside]
    if isinstance(contained, list):
        with suppress(TooMuchInside) if written else nullcontext():
            Enclosing(type, contained, lambda inner, one: rows_of(inner, one, registry, base_url)).add(rows)
    for binary in attached(tree, base_url):
        rows.word(ATTACHMENT, binary)
    if beside is None:
        if type != "Binary":
            rows.words += [*cites(rows.words, registry.additions.cited)]
        _add_own(type, whole, registry, rows)
    return Index(tuple(dict.fromkeys(rows.words)), tuple(dict.fromkeys(rows.spans)), *texts(tree))


def left(type: str, tree: dict[str, Any], found: Mapping[str, Found]) -> dict[str, Any]:
    """What of a resource, and of those that it holds, is found at all; the same object where all of it is."""
    if not found:
        return tree
    made = found[type](tree) if type in found else tree
    contained = made.get("contained")
    if isinstance(contained, list):
        inner = [_left_inside(one, found) for one in contained]
        made = made if _same(inner, contained) else _untold({**made, "contained": inner})
    entries = made.get("entry") if type == "Bundle" else None
    if isinstance(entries, list):
        inner = [_left_entry(one, found) for one in entries]
        made = made if _same(inner, entries) else {**made, "entry": inner}
    return made


def _left_inside(one: Any, found: Mapping[str, Found]) -> Any:
    type = one.get("resourceType") if isinstance(one, dict) else None
    return left(type, one, found) if isinstance(type, str) else one


def _left_entry(entry: Any, found: Mapping[str, Found]) -> Any:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    inner = _left_inside(resource, found)
    return entry if inner is resource else {**entry, "resource": inner}


def _same(some: list[Any], others: list[Any]) -> bool:
    return all(one is other for one, other in zip(some, others, strict=True))


def _untold(tree: dict[str, Any]) -> dict[str, Any]:
    """Without the narrative, which may tell the same in words."""
    return {name: value for name, value in tree.items() if name != "text"}


def _add_own(type: str, tree: dict[str, Any], registry: Registry, rows: Rows) -> None:
    """Add the rows of services: an element that is not as its type says has none of theirs either."""
    for make in registry.additions.rows.get(type, ()):
        for row in _tried(make, tree, rows.base):
            if isinstance(row, Word):
                rows.words.append(row)
            else:
                rows.spans.append(row)


def _tried(make: OwnRows, tree: dict[str, Any], base: str) -> list[Word | Span]:
    try:
        return list(make(tree, base))
    except SURPRISES:
        return []


def rows_of(type: str, tree: dict[str, Any], registry: Registry, base_url: str) -> Rows:
    """The rows of a resource itself, without those of what it contains; some may stand twice."""
    plan = _plan(type, registry)
    rows = Rows(registry.zone, base_url)
    for member in tree:
        _take(plan.by_member.get(member, ()), tree, rows)
        if member in _BESIDE:
            _take(_BESIDE[member], tree, rows)
    _take(plan.always, tree, rows)
    return rows


def _take(steps: tuple[Step, ...], tree: dict[str, Any], rows: Rows) -> None:
    for step in steps:
        try:
            step(tree, rows)
        except SURPRISES:
            continue


def _secured(tree: dict[str, Any], rows: Rows) -> None:
    reference = tree["securityContext"].get("reference")
    rows.word("_securityContext", parse(reference, rows.base).target if reference else "#")


def _containing(tree: dict[str, Any], rows: Rows) -> None:
    for inner in tree["contained"]:
        rows.word("_contained", inner["resourceType"], inner.get("id", ""))


def _naming(tree: dict[str, Any], rows: Rows) -> None:
    rows.words += several(tree["resourceType"], tree, rows.base)


def several(type: str, tree: dict[str, Any], base_url: str) -> tuple[Word, ...]:
    """The row of one of `WITNESSES` that names more than one patient."""
    if type not in WITNESSES:
        return ()
    named = [(one.get("what", {}), one.get("type", {}).get("code")) for one in tree.get("entity", ())]
    named += [(target, None) for target in tree.get("target", ())]
    if len(named) > 1 and len({found for what, kind in named if (found := _patient(what, kind, base_url))}) > 1:
        return (Word(SEVERAL, "1"),)
    return ()


def _patient(what: dict[str, Any], kind: str | None, base: str) -> str:
    """The patient that a Reference names, by a literal reference or by an identifier alone; "" for anything else."""
    reference, identifier = parse(what.get("reference", "#"), base), what.get("identifier", {})
    if reference.type == "Patient":
        return reference.target
    if "reference" not in what and "value" in identifier and (what.get("type") == "Patient" or kind == _PERSON):
        return f"{identifier.get('system', '')}|{identifier['value']}"
    return ""


#: Code of http://terminology.hl7.org/CodeSystem/audit-entity-type: what is named is a person.
_PERSON = "1"
#: What tells who did what to whom, of several patients perhaps.
WITNESSES = frozenset({"AuditEvent", "Provenance"})
#: Index row of one of them that names more than one patient.
SEVERAL = "_several"
#: Member of a resource → rows that no search parameter asks for.
_BESIDE: Mapping[str, tuple[Step, ...]] = {
    "securityContext": (_secured,),
    "contained": (_containing,),
    "entity": (_naming,),
    "target": (_naming,),
}
#: What those rows are called.
BESIDE = frozenset({"_securityContext", "_contained", ATTACHMENT, SEVERAL})


def _plan(type: str, registry: Registry) -> Plan:
    found: Plan | None = registry.compiled.get(type)
    if found is None:
        found = registry.compiled[type] = compile_plan(type, registry)
    return found
