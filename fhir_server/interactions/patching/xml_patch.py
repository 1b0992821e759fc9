"""XML Patch: additions, replacements and removals in a resource's XML form.

https://www.rfc-editor.org/rfc/rfc5261, https://hl7.org/fhir/R4/http.html#patch. Selectors are those of the RFC's own
grammar that FHIR needs (§4.1): steps from the resource down, by name, place, attribute or a child's value; never XPath
at large, which could be made to take for ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from lxml import etree

from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import Invalid, Malformed
from fhir_server.fhir.xml import to_json, to_xml
from fhir_server.work.budget import spend

#: The most operations in one patch, and steps in one selector.
MAX_OPERATIONS, MAX_STEPS = 1000, 32
_FHIR = "{http://hl7.org/fhir}"

_NAME = r"(?:[A-Za-z_][\w.\-]*:)?([A-Za-z_][\w.\-]*|\*)"
_STEP = re.compile(rf"/(?:{_NAME})((?:\[[^\[\]]*\])*)", re.ASCII)
_ATTRIBUTE = re.compile(r"/@([A-Za-z_][\w.\-]*)", re.ASCII)
_CONDITION = re.compile(
    rf"""\[\s*(?:(\d{{1,6}})|(?:{_NAME}/)?@([\w.\-]+)\s*=\s*(?:'([^']*)'|"([^"]*)"))\s*\]""", re.ASCII
)

Node = Any


@dataclass(frozen=True, slots=True)
class _Step:
    """One step down: the element's name ("*" for any), and conditions: a place, or (child or "", attribute, value)."""

    name: str
    conditions: tuple[int | tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class _Operation:
    kind: str
    steps: tuple[_Step, ...]
    attribute: str
    place: str
    named: str
    text: str
    content: tuple[Node, ...]


def read(body: bytes, max_depth: int = 64) -> Callable[[dict[str, Any]], Any]:
    """The change that an XML Patch document asks for, checked as far as it can be without the resource.

    Raises:
        Malformed: not an XML Patch (400).
    """
    root = _parsed(body)
    if etree.QName(root).localname != "diff":
        raise Malformed("An XML Patch is a diff of add, replace and remove.", "diff")
    elements = [one for one in root if isinstance(one.tag, str)]
    if len(elements) > MAX_OPERATIONS:
        raise Malformed(f"A patch has at most {MAX_OPERATIONS} operations.", "diff", code="too-long")
    operations = [_operation(one, f"diff.{n}") for n, one in enumerate(elements)]

    def change(tree: dict[str, Any]) -> Any:
        document = _parsed(to_xml(serialize(tree)))
        for number, operation in enumerate(operations):
            spend(len(operation.steps))
            try:
                _KINDS[operation.kind](document, operation)
            except _Failed as failed:
                raise Invalid(f"{operation.kind}: {failed}.", f"diff.{number}", code="processing") from None
        try:
            return parse(to_json(etree.tostring(document, encoding="utf-8"), max_depth), max_depth)
        except Malformed as wrong:
            # It was the resource that could be read; the places are of a document that nobody sent.
            issues = [replace(one, line=None, column=None) for one in wrong.issues]
            raise Invalid(issues=issues) from None

    return change


class _Failed(Exception):
    """An operation does not apply to the resource."""


def _parsed(body: bytes) -> Node:
    root: Node
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise Malformed("The XML is not well-formed.", "diff") from None
    if root.getroottree().docinfo.doctype:
        raise Malformed("A document type declaration is not read.", "diff")
    return root


def _operation(element: Node, where: str) -> _Operation:
    kind = etree.QName(element).localname
    selector = element.get("sel")
    if kind not in _KINDS or selector is None:
        raise Malformed("An operation is add, replace or remove, with a selector (sel).", where, code="value")
    steps, attribute = _selector(selector.strip(), where)
    place, named = element.get("pos", ""), element.get("type", "")
    if place not in ("", "prepend", "before", "after") or (named and not named.startswith("@")):
        raise Malformed("pos is prepend, before or after; type is an attribute (@name).", where, code="value")
    content = tuple(one for one in element if isinstance(one.tag, str))
    return _Operation(kind, steps, attribute, place, named[1:], (element.text or "").strip(), content)


def _selector(text: str, where: str) -> tuple[tuple[_Step, ...], str]:
    text = text if text.startswith("/") else f"/{text}"
    steps: list[_Step] = []
    at, attribute = 0, ""
    while at < len(text):
        found = _STEP.match(text, at)
        last = _ATTRIBUTE.fullmatch(text, at) if found is None else None
        if (found is None and last is None) or len(steps) >= MAX_STEPS:
            raise Malformed("The selector is not one of RFC 5261 that is read here.", f"{where}.sel", code="value")
        if found is None:
            attribute, at = last[1] if last else "", len(text)
        else:
            steps.append(_Step(found[1], _conditions(found[2], where)))
            at = found.end()
    return tuple(steps), attribute


def _conditions(text: str, where: str) -> tuple[int | tuple[str, str, str], ...]:
    found: list[int | tuple[str, str, str]] = []
    at = 0
    while at < len(text):
        one = _CONDITION.match(text, at)
        if one is None:
            words = "A condition is a place, an attribute's value, or a child's: [2], [@url='x'], [f:code/@value='x']."
            raise Malformed(words, f"{where}.sel", code="value")
        found.append(int(one[1]) if one[1] else (one[2] or "", one[3], one[4] if one[4] is not None else one[5]))
        at = one.end()
    return tuple(found)


def _selected(document: Node, steps: tuple[_Step, ...]) -> Node:
    """The one element that the steps lead to: RFC 5261 §4.1 has a selector that finds none, or several, fail."""
    nodes = [document] if steps and _is_called(document, steps[0].name) else []
    for step in steps[1:]:
        nodes = [one for node in nodes for one in _children(node, step)]
        spend(len(nodes))
    if len(nodes) != 1:
        raise _Failed("the selector finds nothing" if not nodes else "the selector finds several elements")
    return nodes[0]


def _children(node: Node, step: _Step) -> list[Node]:
    found = [one for one in node if isinstance(one.tag, str) and _is_called(one, step.name)]
    for condition in step.conditions:
        if isinstance(condition, int):
            found = found[condition - 1 : condition] if condition else []
        else:
            found = [one for one in found if _has(one, *condition)]
    return found


def _has(node: Node, child: str, attribute: str, value: str) -> bool:
    if not child:
        return bool(node.get(attribute) == value)
    return any(one.get(attribute) == value for one in node if isinstance(one.tag, str) and _is_called(one, child))


def _is_called(node: Node, name: str) -> bool:
    return name == "*" or etree.QName(node).localname == name


def _add(document: Node, operation: _Operation) -> None:
    target = _selected(document, operation.steps)
    if operation.named:
        if target.get(operation.named) is not None:
            raise _Failed("the attribute is there already")
        target.set(operation.named, operation.text)
        return
    if not operation.content or operation.attribute:
        raise _Failed("there is no element to add")
    made = [_copied(one) for one in operation.content]
    if operation.place in ("before", "after"):
        parent = target.getparent()
        if parent is None:
            raise _Failed("nothing stands beside the resource")
        at = parent.index(target) + (operation.place == "after")
        parent[at:at] = made
    elif operation.place == "prepend":
        target[0:0] = made
    else:
        target.extend(made)


def _replace(document: Node, operation: _Operation) -> None:
    target = _selected(document, operation.steps)
    if operation.attribute:
        if target.get(operation.attribute) is None:
            raise _Failed("there is no such attribute")
        target.set(operation.attribute, operation.text)
        return
    parent = target.getparent()
    if parent is None or len(operation.content) != 1:
        raise _Failed("one element of the resource is replaced by one")
    parent.replace(target, _copied(operation.content[0]))


def _remove(document: Node, operation: _Operation) -> None:
    target = _selected(document, operation.steps)
    if operation.attribute:
        if target.attrib.pop(operation.attribute, None) is None:
            raise _Failed("there is no such attribute")
        return
    parent = target.getparent()
    if parent is None:
        raise _Failed("the whole resource cannot be removed")
    parent.remove(target)


def _copied(node: Node) -> Node:
    """A copy to be put in; one without a namespace is of FHIR's, as patches often write it."""
    made = etree.fromstring(etree.tostring(node, with_tail=False))
    for one in made.iter():
        if isinstance(one.tag, str) and not one.tag.startswith("{"):
            one.tag = _FHIR + one.tag
    return made


_KINDS: dict[str, Callable[[Node, _Operation], None]] = {"add": _add, "replace": _replace, "remove": _remove}
