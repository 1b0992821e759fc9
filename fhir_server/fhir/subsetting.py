"""Part of a resource for a client that asked for less (`_summary`, `_elements`), marked so that no one writes it back.

https://hl7.org/fhir/R4/search.html#summary, https://hl7.org/fhir/R4/search.html#elements
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Any

import msgspec

from fhir_server.fhir.definitions import children, resource_types, types
from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.work.budget import BYTES, spend

SUMMARIES = ("true", "text", "data", "count", "false")
_TAG_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
_TAG = msgspec.Raw(b'{"system":"%s","code":"SUBSETTED"}' % _TAG_SYSTEM.encode())
#: Kept whatever is asked: what identifies the resource, and what may change the meaning of all the rest.
_ALWAYS = frozenset({"resourceType", "id", "meta", "implicitRules", "modifierExtension"})
#: Bundles the server makes: they are the envelope, their entries the resources asked for.
_ENVELOPES = frozenset({"searchset", "history", "batch-response", "transaction-response"})
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:\[x\])?(?:\.[A-Za-z][A-Za-z0-9]*(?:\[x\])?)*")

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_rows = msgspec.json.Decoder(list[msgspec.Raw])
_tree = msgspec.json.Decoder(float_hook=msgspec.Raw)
_encode = msgspec.json.encode


def parse_summary(values: Iterable[str]) -> str | None:
    """The one value of `_summary`, None when it is not given.

    Raises:
        InvalidParameter: it is none of true, text, data, count, false, or given twice with different values.
    """
    found = set(values)
    if len(found) > 1 or not found <= set(SUMMARIES):
        raise InvalidParameter(f"_summary is one of {', '.join(SUMMARIES)}.", "http._summary")
    return next(iter(found), None)


def parse_elements(values: Iterable[str]) -> frozenset[str] | None:
    """The names in all values of `_elements`, `Patient.name` kept with its type; None when it is not given.

    A deeper path counts as its first element: `name.family` is `name`.

    Raises:
        InvalidParameter: empty, not a name, or a name no resource type has.
    """
    names = [name.strip() for value in values for name in value.split(",")]
    return frozenset(_first_step(name) for name in names) if names else None


def subset(body: bytes, summary: str | None, elements: Collection[str] | None) -> bytes:
    """The part of a JSON resource that `_summary` and `_elements` leave, tagged; `body` itself when they leave all.

    In a Bundle the server made, the part of each entry's resource: `elements` without a type do not apply to included
    resources, and neither touches an entry that is an OperationOutcome of the search.

    Args:
        body: the JSON of a resource, or of a Bundle with resources in it.
        summary: one of `SUMMARIES`, or None; "count" and "false" leave all.
        elements: as `parse_elements` gives them, or None.
    """
    if summary in (None, "false", "count") and elements is None:
        return body
    spend(len(body) // (4 * BYTES))
    members = _members.decode(body)
    if _text(members, "resourceType") != "Bundle" or _text(members, "type") not in _ENVELOPES:
        return _resource(members, body, summary, elements, included=False)
    if "entry" in members:
        entries = [_entry(raw, summary, elements) for raw in _rows.decode(members["entry"])]
        members["entry"] = msgspec.Raw(b"[%s]" % b",".join(entries))
    return _encode(members)


def _entry(raw: msgspec.Raw, summary: str | None, elements: Collection[str] | None) -> bytes:
    entry = _members.decode(raw)
    mode = _text(_members.decode(entry["search"]), "mode") if "search" in entry else "match"
    if "resource" not in entry or mode == "outcome":
        return bytes(raw)
    body = bytes(entry["resource"])
    part = _resource(_members.decode(body), body, summary, elements, included=mode == "include")
    entry["resource"] = msgspec.Raw(part)
    return _encode(entry)


def _resource(
    members: dict[str, msgspec.Raw], body: bytes, summary: str | None, elements: Collection[str] | None, included: bool
) -> bytes:
    type = _text(members, "resourceType")
    if type not in resource_types():
        return body
    kept: Mapping[str, msgspec.Raw] = members
    if summary in _VIEWS:
        kept = _VIEWS[summary](type, members)
    if elements is not None:
        names = _names_for(type, elements, included)
        if names is None and kept is members:
            return body
        kept = kept if names is None else _listed(type, kept, names)
    return _encode(_tagged(kept))


def _names_for(type: str, elements: Collection[str], included: bool) -> frozenset[str] | None:
    """The names that apply to a resource of `type`; None when nothing was said of it."""
    own = {name.partition(".")[2] for name in elements if name.startswith(type + ".")}
    bare = set() if included else {name for name in elements if "." not in name}
    return frozenset(own | bare) or None


def _listed(type: str, members: Mapping[str, msgspec.Raw], names: frozenset[str]) -> dict[str, msgspec.Raw]:
    stems = _stems(type)
    keep = _ALWAYS | _mandatory(type) | names
    return {
        key: raw
        for key, raw in members.items()
        if (name := key.lstrip("_")) in keep or stems.get(name) in keep or name in ("resourceType",)
    }


def _summarised(type: str, members: Mapping[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    keep = _summary(type)
    found = {}
    for key, raw in members.items():
        if (name := key.lstrip("_")) in _ALWAYS:
            found[key] = raw
        elif name in keep:
            path = "" if key.startswith("_") else keep[name]
            found[key] = msgspec.Raw(_encode(_pruned(_tree.decode(raw), path))) if path else raw
    return found


def _pruned(value: Any, path: str) -> Any:
    if isinstance(value, list):
        return [_pruned(one, path) for one in value]
    if not isinstance(value, dict):
        return value
    keep = _summary(path)
    return {
        key: _pruned(inner, keep[name]) if keep[name] and not key.startswith("_") else inner
        for key, inner in value.items()
        if (name := key.lstrip("_")) in keep
    }


def _text_view(type: str, members: Mapping[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    keep = _mandatory(type) | {"resourceType", "id", "meta", "text"}
    stems = _stems(type)
    return {key: raw for key, raw in members.items() if key.lstrip("_") in keep or stems.get(key.lstrip("_")) in keep}


def _data_view(type: str, members: Mapping[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    return {key: raw for key, raw in members.items() if key != "text"}


#: `_summary` → the members it leaves; the values that are not here leave all.
_VIEWS = {"true": _summarised, "text": _text_view, "data": _data_view}


def _tagged(members: Mapping[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    meta = _members.decode(members["meta"]) if "meta" in members else {}
    tags = _rows.decode(meta["tag"]) if "tag" in meta else []
    if not any(b'"SUBSETTED"' in bytes(tag) for tag in tags):
        meta["tag"] = msgspec.Raw(_encode([*tags, _TAG]))
    head = {key: members[key] for key in ("resourceType", "id") if key in members}
    return {
        **head,
        "meta": msgspec.Raw(_encode(meta)),
        **{k: v for k, v in members.items() if k not in head | {"meta": 0}},
    }


@cache
def _mandatory(type: str) -> frozenset[str]:
    """Names of the elements of `type` with a minimum of one, choices by stem."""
    return frozenset(name.removesuffix("[x]") for name, element in children(type).items() if element.min)


@cache
def _stems(type: str) -> dict[str, str]:
    """The stem of each name a choice element of `type` may have in JSON: `valueQuantity` → `value`."""
    return {
        name[:-3] + choice.code[0].upper() + choice.code[1:]: name[:-3]
        for name, element in children(type).items()
        if name.endswith("[x]")
        for choice in element.types
    }


@cache
def _summary(path: str) -> dict[str, str]:
    """JSON names of the summary or mandatory elements under `path` → the path that prunes their value ("": whole)."""
    keep: dict[str, str] = {}
    for name, element in children(path).items():
        if not (element.summary or element.min or element.xml):
            continue
        if not name.endswith("[x]"):
            code = element.types[0].code if element.types else ""
            inner = element.content or (element.path if code in ("", "BackboneElement", "Element") else code)
            keep[name] = inner if _prunes(inner) else ""
            continue
        for choice in element.types:
            keep[name[:-3] + choice.code[0].upper() + choice.code[1:]] = choice.code if _prunes(choice.code) else ""
    return keep


@cache
def _prunes(path: str) -> bool:
    # A type without a summary of its own (Extension, Narrative) would be left with nothing: it is kept whole.
    definition = types().get(path.partition(".")[0])
    if definition is None or definition.kind == "primitive-type" or path == "Resource":
        return False
    return any(element.summary and not element.inherited for element in children(path).values())


@cache
def _known_names() -> frozenset[str]:
    names = {name for type in resource_types() for name in children(type)}
    stems = {stem for type in resource_types() for stem in _stems(type)}
    return frozenset({name.removesuffix("[x]") for name in names} | stems)


def _first_step(name: str) -> str:
    steps = name.split(".") if _NAME.fullmatch(name) else [""]
    typed = steps[0] in resource_types() and len(steps) > 1
    step = steps[1 if typed else 0].removesuffix("[x]")
    if step not in _known_names() and step != "resourceType":
        raise InvalidParameter(f"_elements: {name[:64]!r} is not an element of a resource.", "http._elements")
    return f"{steps[0]}.{step}" if typed else step


def _text(members: Mapping[str, msgspec.Raw], key: str) -> str:
    return str(_tree.decode(members[key])) if key in members else ""
