"""The values that a script selects: by FHIRPath, by XPath or by JSONPath.

https://hl7.org/fhir/R4/testscript-definitions.html#TestScript.setup.action.assert.expression and `…assert.path`. A path
that begins with `$` is JSONPath; any other is XPath 1.0 over the resource as XML, with the prefix `fhir`, or without
any prefix.
"""

from __future__ import annotations

from typing import Any

from lxml import etree

from fhir_server.conformance import jsonpath
from fhir_server.conformance.sources import Tree, Unusable
from fhir_server.fhir.fhirpath.expression import compile
from fhir_server.fhir.json import serialize
from fhir_server.fhir.xml import to_xml

NAMESPACES = {"fhir": "http://hl7.org/fhir", "f": "http://hl7.org/fhir", "xhtml": "http://www.w3.org/1999/xhtml"}


def by_expression(expression: str, tree: Tree) -> list[Any]:
    """The JSON values that a FHIRPath expression selects; a primitive without a value is left out.

    Raises:
        FhirError: not FHIRPath, or it means nothing for this resource.
    """
    return [node.json for node in compile(expression).values(tree) if node.json is not None]


def by_path(path: str, tree: Tree) -> list[Any]:
    """The values that a JSONPath or XPath selects; elements in XML that carry a value stand for it.

    Raises:
        Unusable: neither, or a part of JSONPath that is not supported.
    """
    if path.strip().startswith("$"):
        return jsonpath.values(path, tree)
    return _by_xpath(path, tree)


def _by_xpath(path: str, tree: Tree) -> list[Any]:
    root = etree.fromstring(to_xml(serialize(tree)), etree.XMLParser(resolve_entities=False, huge_tree=True))
    if not any(f"{prefix}:" in path for prefix in NAMESPACES):
        for element in root.iter(etree.Element):
            element.tag = etree.QName(element).localname
    try:
        # XPath's first context is the document, above the root element: `fhir:Patient/fhir:id`. lxml has none to give.
        start = root if path.lstrip("(").startswith("/") else _above(root)
        found = start.xpath(path, namespaces=NAMESPACES)
    except (etree.XPathError, TypeError) as error:
        raise Unusable(f"XPath: {error}, in {path!r}.") from None
    if isinstance(found, list):
        return [_value(item) for item in found]
    return [_number(found) if isinstance(found, float) else found]


def _above(root: etree._Element) -> etree._Element:
    document = etree.Element("document")
    document.append(root)
    return document


def _value(item: Any) -> Any:
    if isinstance(item, etree._Element):
        value = item.get("value")
        return value if value is not None else "".join(str(text) for text in item.itertext()).strip()
    return str(item)


def _number(value: float) -> Any:
    return int(value) if value.is_integer() else value
