"""One call of an operation: where it was made, and its parameters, read as its OperationDefinition says.

https://hl7.org/fhir/R4/operations.html#executing, https://hl7.org/fhir/R4/parameters.html
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fhir_server.fhir import definitions
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import InvalidParameter, Malformed
from fhir_server.interactions.exchange import FHIR_JSON, Context, Request, Response
from fhir_server.interactions.vread import named
from fhir_server.search.answering.posted import Posted
from fhir_server.search.kinds.values import escape
from fhir_server.store.protocol import Version

_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]").search

#: Parameters of every URL, which shape the answer.
SHAPING = frozenset({"_format", "_pretty", "_summary", "_elements"})
#: How a page of an operation's own results is asked for.
PAGING = frozenset({"_cursor"})


class Parameter(msgspec.Struct, frozen=True):
    """One parameter of an OperationDefinition."""

    name: str
    use: str
    min: int
    max: str
    type: str | None = None
    searchType: str | None = None


class Definition(msgspec.Struct, frozen=True):
    """What of an OperationDefinition the server goes by."""

    id: str
    url: str
    code: str
    affectsState: bool = False
    resource: tuple[str, ...] = ()
    system: bool = False
    type: bool = False
    instance: bool = False
    parameter: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Inputs:
    """The parameters given.

    Attributes:
        values: primitives as text, by name, in order; search parameters of an open operation among them.
        complex: data types and resources, by name.
        several: data types and resources that may stand more than once, by name, in order.
        parts: parameters made of parts, by name, in order: each its parts' values by name.
        pairs: what stood in the URL, and the primitives of a body, in order.
    """

    values: dict[str, list[str]] = field(default_factory=dict)
    complex: dict[str, dict[str, Any]] = field(default_factory=dict)
    several: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    parts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    pairs: list[tuple[str, str]] = field(default_factory=list)

    def one(self, name: str) -> str | None:
        """The value of a parameter that stands once; None when it was not given."""
        found = self.values.get(name)
        return found[0] if found else None

    def all(self, name: str) -> list[str]:
        """The values of a parameter, those listed with commas taken apart."""
        return [one.strip() for value in self.values.get(name, ()) for one in value.split(",") if one.strip()]


@dataclass(frozen=True, slots=True)
class Invocation:
    """A call: of the system (no type), of a type, of an instance (its id) or of one version of it.

    Attributes:
        type, id, version: of what it is asked; None for what is not said.
        inputs: its parameters.
        request: the call; of a later page, as if its parameters stood in the URL.
        posted: makes the links of the answer's pages.
        here: the address it was posted to; None for a GET.
    """

    type: str | None
    id: str | None
    version: str | None
    inputs: Inputs
    request: Request
    posted: Posted
    here: str | None = None

    async def stored(self, context: Context) -> Version:
        """The instance it is asked of: its current version, or the one that the URL names.

        Raises:
            NotFound, Gone: it is not there, or hidden (404, 410).
        """
        assert self.type is not None and self.id is not None
        if self.version is not None:
            return await named(context, self.type, self.id, self.version)
        return await context.repository.read(self.type, self.id)

    @property
    def used(self) -> list[tuple[str, str]]:
        """The parameters given, and those that shape each page of the answer, for its links."""
        return [*self.inputs.pairs, *(pair for pair in self.request.query if pair[0] in ("_summary", "_elements"))]


Operation = Callable[[Invocation, Context], Awaitable[Response]]


def inputs(definition: Definition, request: Request, context: Context, open_ended: bool) -> Inputs:
    """The parameters of a call, from its URL and its Parameters body, or a resource or a document alone in the body.

    Args:
        definition: what the parameters are held to.
        request: the call.
        context: for limits.
        open_ended: whether search parameters are taken besides those defined.

    Raises:
        InvalidParameter: unknown, of another type, missing or repeated (400).
        Malformed: the body is not a resource (400).
    """
    known = {p.name: p for p in definition.parameter if p.use == "in"}
    found = Inputs()
    for name, value in request.query:
        if name in SHAPING or (name == "_cursor" and "_count" in known):
            if name in PAGING:
                found.values[name] = [value]
            continue
        _simple(found, known, name, value, open_ended)
    if request.method == "POST" and (request.body or request.resource is not None):
        _body(found, known, _posted(request, known, context), open_ended)
    for name, parameter in known.items():
        if parameter.min and not any(
            name in given for given in (found.values, found.complex, found.several, found.parts)
        ):
            raise InvalidParameter(f"The operation needs a parameter {name}.", f"http.{name}", code="required")
        if parameter.max == "1" and len(found.values.get(name, ())) > 1:
            raise InvalidParameter(f"The parameter {name} stands once.", f"http.{name}")
    return found


def returned(name: str, key: str, value: Any) -> Response:
    """Parameters with one out parameter that is a data type."""
    return answered([{"name": name, key: value}])


def answered(rows: Sequence[Mapping[str, Any]], headers: Mapping[str, str] | None = None) -> Response:
    """Parameters of these rows; of none it has no list, since https://hl7.org/fhir/R4/json.html knows no empty one."""
    tree = {"resourceType": "Parameters", **({"parameter": rows} if rows else {})}
    return Response(200, serialize(tree), headers=headers or {})


def element(name: str) -> str:
    """Where a parameter of a call stands, as an issue says it: FHIRPath."""
    return f"Parameters.parameter.where(name='{name}')"


def _posted(request: Request, known: dict[str, Parameter], context: Context) -> dict[str, Any]:
    """The resource that was posted; a document of another standard as the Binary that it is content of.

    Raises:
        Malformed: the operation takes no Binary.
    """
    if request.resource is not None:
        return request.resource
    if request.content_type in ("", FHIR_JSON):
        return parse(request.body, context.settings.max_depth)
    if not any(one.type == "Binary" or (one.type, one.name) == _ANY_DOCUMENT for one in known.values()):
        raise Malformed("The namespace is not http://hl7.org/fhir, and the operation takes no other document.")
    data = b64encode(request.body).decode()
    return {"resourceType": "Binary", "contentType": request.content_type, "data": data}


#: A parameter that is a document of whatever standard (MHD ITI-106: a FHIR document Bundle, or a Binary).
_ANY_DOCUMENT = ("Resource", "document")


def _simple(found: Inputs, known: dict[str, Parameter], name: str, value: str, open_ended: bool) -> None:
    parameter = known.get(name)
    if parameter is None and not open_ended:
        raise InvalidParameter(
            f"The operation has no parameter {name[:64]}.", f"http.{name[:64]}", code="not-supported"
        )
    if parameter is not None and not _is_primitive(parameter):
        raise InvalidParameter(f"The parameter {name} is given in the body.", f"http.{name}")
    if not value:
        raise InvalidParameter(f"The parameter {name[:64]} has no value.", f"http.{name[:64]}")
    found.values.setdefault(name, []).append(value)
    found.pairs.append((name, value))


def _body(found: Inputs, known: dict[str, Parameter], tree: dict[str, Any], open_ended: bool) -> None:
    if not isinstance(tree.get("resourceType"), str):
        raise Malformed("The body does not say its resourceType.", "resourceType", code="required")
    if tree["resourceType"] != "Parameters" or _is_subject(tree, known):
        _resource(found, known, tree)
        return
    rows = tree.get("parameter", [])
    if not isinstance(rows, list):
        raise Malformed("parameter is an array.", "Parameters.parameter")
    for n, row in enumerate(rows):
        _row(found, known, row, f"Parameters.parameter[{n}]", open_ended)


def _is_subject(tree: dict[str, Any], known: dict[str, Parameter]) -> bool:
    """Whether Parameters are themselves what is to be validated: none of theirs is one of the operation's."""
    rows = tree.get("parameter")
    names = {row.get("name") for row in rows if isinstance(row, dict)} if isinstance(rows, list) else set()
    return (
        any(p.type == "Resource" and p.max == "1" for p in known.values()) and bool(names) and names.isdisjoint(known)
    )


def _resource(found: Inputs, known: dict[str, Parameter], tree: dict[str, Any]) -> None:
    """R4 operations.html: a lone parameter that is a resource may be the body itself."""
    taken = [p.name for p in known.values() if p.type in ("Resource", tree["resourceType"]) and p.max == "1"]
    if not taken:
        words = "The body of this operation is a Parameters resource of FHIR."
        raise Malformed(words, "resourceType", code="invalid")
    found.complex[taken[0]] = tree


def _row(found: Inputs, known: dict[str, Parameter], row: Any, where: str, open_ended: bool) -> None:
    name = row.get("name") if isinstance(row, dict) else None
    if not isinstance(name, str):
        raise Malformed("A parameter has a name.", where, code="required")
    parameter = known.get(name)
    if parameter is None and not open_ended:
        raise InvalidParameter(f"The operation has no parameter {name[:64]}.", where, code="not-supported")
    if parameter is not None and parameter.type is None:
        found.parts.setdefault(name, []).append(_parts(row, where))
        return
    key = next((key for key in row if key.startswith("value")), None)
    value = row.get("resource") if key is None else row[key]
    if isinstance(value, dict) and parameter is not None and parameter.searchType == "token":
        value = _token(value)
    if isinstance(value, dict) and parameter is not None and not _is_primitive(parameter):
        _complex(found, parameter, key, value, where)
    elif isinstance(value, dict | list) or value is None or (parameter is not None and not _is_primitive(parameter)):
        raise InvalidParameter(f"The parameter {name[:64]} is of another type.", where)
    else:
        text = str(value).lower() if isinstance(value, bool) else _plain(str(value), where)
        found.values.setdefault(name, []).append(text)
        found.pairs.append((name, text))


def _token(value: dict[str, Any]) -> Any:
    """What a Coding or CodeableConcept is searched as (`system|code`), several of them as alternatives."""
    codings = value.get("coding", [value])
    found = [one for one in codings if isinstance(one, dict)] if isinstance(codings, list) else []
    said = [
        escape(str(one["system"])) + "|" + escape(str(one["code"])) for one in found if {"system", "code"} <= one.keys()
    ]
    return ",".join(said) or value


def _parts(row: dict[str, Any], where: str) -> dict[str, Any]:
    rows = row.get("part")
    if not isinstance(rows, list) or not all(isinstance(part, dict) for part in rows):
        raise InvalidParameter(f"The parameter {row['name'][:64]} is made of parts.", where)
    values = ((part.get("name"), next((v for k, v in part.items() if k.startswith("value")), None)) for part in rows)
    found = {name: value for name, value in values if isinstance(name, str)}
    for value in found.values():
        _plain(value if isinstance(value, str) else "", where)
    return found


def _plain(text: str, where: str) -> str:
    """A text as it is said: it may be kept as it is, and be read as XML.

    Raises:
        InvalidParameter: R4 datatypes.html#string has no such character (400).
    """
    if _NOT_TEXT(text):
        raise InvalidParameter("A text has no control characters.", where)
    return text


def _complex(found: Inputs, parameter: Parameter, key: str | None, value: dict[str, Any], where: str) -> None:
    if parameter.name in found.complex and parameter.max == "1":
        raise InvalidParameter(f"The parameter {parameter.name} stands once.", where)
    if _is_resource(parameter) != (key is None) or (key is not None and key != f"value{parameter.type}"):
        raise InvalidParameter(f"The parameter {parameter.name} is a {parameter.type}.", where)
    if parameter.max == "1":
        found.complex[parameter.name] = value
    else:
        found.several.setdefault(parameter.name, []).append(value)


def _is_resource(parameter: Parameter) -> bool:
    return parameter.type == "Resource" or parameter.type in definitions.resource_types()


def _is_primitive(parameter: Parameter) -> bool:
    return (parameter.type or "string")[:1].islower()
