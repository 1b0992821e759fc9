"""Reads FHIR XML into the tree its JSON would hold, with the place of every element in the source.

https://hl7.org/fhir/R4/xml.html. A document type declaration is refused, so no entity, external or nested, is ever
expanded and nothing is ever fetched; comments and processing instructions are dropped. Expat is used rather than lxml
because it knows the column and byte of each element: errors name their place and a narrative keeps its very characters.
"""

from __future__ import annotations

import re
from pyexpat import ExpatError, ParserCreate, XMLParserType
from typing import Any

import msgspec

from fhir_server.fhir.outcome import Issue, Malformed
from fhir_server.fhir.xml_narrative import standalone
from fhir_server.fhir.xml_shapes import NAMESPACE, XHTML, Child, Shape, resource_names, shape

#: Issues reported of one body; reading stops there.
MAX_ISSUES = 50
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_SCHEMA_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance "
_EXTENSION = f"{NAMESPACE} extension"

Position = tuple[int, int]


class _Frame:
    """An element that is open: its content so far."""

    __slots__ = ("child", "exts", "kind", "object", "shape", "start", "value")

    def __init__(self, kind: str, child: Child | None, shape: Shape | None, start: int = 0) -> None:
        self.kind = kind
        self.child = child
        self.shape = shape
        self.object: dict[str, Any] = {}
        self.exts: dict[str, list[Any]] = {}  # by name of a repeating primitive: one per value, same order
        self.value: Any = None
        self.start = start


class Reader:
    """One reading of one body.

    Attributes:
        tree: the resource as JSON would hold it; numbers are `msgspec.Raw` with the digits as written.
        positions: (line, column), both from 1, of each element by FHIRPath (`Patient.name[0].family`), if asked for.
    """

    def __init__(self, body: bytes, max_depth: int = 64, places: bool = False) -> None:
        """Read `body`.

        Raises:
            Malformed: not well-formed, a DOCTYPE, not in FHIR's namespace, or not of the shape of a resource; each
                issue has its line and column.
        """
        self.tree: dict[str, Any] = {}
        self.positions: dict[str, Position] = {}
        self._body = body
        self._places = places
        self._max_depth = max_depth
        self._issues: list[Issue] = []
        self._stack: list[_Frame] = [_Frame("resource", None, None)]
        self._skipped = 0  # elements open inside one that is not looked into
        self._prefixed = False
        # FHIR is UTF-8 always (xml.html#xml): a declaration of anything else is not followed.
        self._parser: XMLParserType = ParserCreate("utf-8", " ")
        self._listen(self._parser)
        self._parse()

    def _listen(self, parser: XMLParserType) -> None:
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.XmlDeclHandler = self._declaration
        parser.StartNamespaceDeclHandler = self._namespace
        parser.StartElementHandler = self._open
        parser.EndElementHandler = self._close
        parser.CharacterDataHandler = self._text

    def _parse(self) -> None:
        if self._body[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise Malformed(issues=[self._at("Not XML: the encoding is not UTF-8.", "structure", 1, 1)])
        try:
            self._parser.Parse(self._body, True)
        except ExpatError as error:
            reason = str(error).partition(":")[0]
            raise Malformed(
                issues=[*self._issues, self._at(f"Not XML: {reason}.", "structure", error.lineno, error.offset + 1)]
            ) from None
        if self._issues:
            raise Malformed(issues=self._issues)

    # What goes wrong

    def _at(self, words: str, code: str, line: int, column: int, expression: str | None = None) -> Issue:
        return Issue("error", code, words, expression, line=line, column=column)

    def _issue(self, words: str, child: Child | None = None, key: str | None = None) -> None:
        line, column = self._place()
        path = self._path(child) or None
        self._issues.append(Issue("error", "structure", words, path, key, line=line, column=column))
        if len(self._issues) >= MAX_ISSUES:
            raise Malformed(issues=self._issues)

    def _stop(self, words: str, code: str = "structure") -> None:
        line, column = self._place()
        raise Malformed(issues=[*self._issues, self._at(words, code, line, column)])

    def _place(self) -> Position:
        return self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1

    def _path(self, child: Child | None = None) -> str:
        """FHIRPath of the innermost open element, or of its `child`."""
        steps: list[str] = []
        for frame, inner in zip(self._stack, [*self._stack[1:], None], strict=True):
            if "resourceType" in frame.object and not steps:
                steps.append(frame.object["resourceType"])
            step = inner.child if inner is not None else child
            if step is not None and frame is not inner:
                held = frame.object.get(step.name, ())
                steps.append(f"{step.element}[{len(held)}]" if step.repeats else step.element)
        return ".".join(steps)

    # What the parser meets

    def _doctype(self, *_: Any) -> None:
        self._stop("A document type declaration is not allowed.")

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ("utf-8", "utf8", "us-ascii"):
            self._stop("The encoding is not UTF-8.")

    def _namespace(self, prefix: str | None, uri: str | None) -> None:
        self._prefixed = self._prefixed or (prefix is not None and not self._skipped)

    def _text(self, text: str) -> None:
        if not self._skipped and not text.isspace():
            self._issue("Text between elements: FHIR values are in `value` attributes.")

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        if self._skipped:
            self._skipped += 1
            if self._skipped + len(self._stack) > 2 * self._max_depth:
                self._stop(f"Nested deeper than {2 * self._max_depth} levels.", "too-costly")
            return
        if len(self._stack) > self._max_depth:
            self._stop(f"Nested deeper than {self._max_depth} levels.", "too-costly")
        frame = self._stack[-1]
        if frame.kind == "resource":
            self._open_resource(frame, name, attributes)
        else:
            self._open_child(frame, name, attributes)

    def _open_resource(self, frame: _Frame, name: str, attributes: dict[str, str]) -> None:
        type = resource_names().get(name)
        if type is None:
            self._refuse_resource(name)
            return
        if frame.value is not None:
            self._issue(f"A second resource in one element: {type}.")
            self._skip()
            return
        inner = _Frame("complex", None, shape(type))
        inner.object["resourceType"] = type
        frame.value = inner.object
        self._stack.append(inner)
        self._attributes(inner, attributes)
        if self._places and type:
            self.positions.setdefault(self._path(), self._place())

    def _refuse_resource(self, name: str) -> None:
        namespace, _, local = name.rpartition(" ")
        if namespace != NAMESPACE:
            self._stop(f"The namespace is not {NAMESPACE}.")
        if len(self._stack) == 1:
            self._stop(f"{local} is not a resource type of R4.")
        self._issue(f"{local} is not a resource type of R4.")
        self._skip()

    def _open_child(self, frame: _Frame, name: str, attributes: dict[str, str]) -> None:
        child = frame.shape.qualified.get(name) if frame.shape else None
        if child is None:
            self._unknown(frame, name)
            return
        if self._places:
            place = self._place()
            path = self._path(child)
            self.positions[path] = place
            self.positions.setdefault(f"{path.rpartition('.')[0]}.{child.name}", place)
        if not child.repeats and (child.name in frame.object or "_" + child.name in frame.object):
            self._issue(f"The element {child.name} stands twice.", child)
        inner = _Frame(child.kind, child, None)
        if child.kind == "complex":
            inner.shape = shape(child.shape)
        elif child.kind == "xhtml":
            inner.start = self._parser.CurrentByteIndex
            inner.value = attributes
            self._stack.append(inner)
            self._skipped = 1
            return
        elif child.kind != "resource":
            inner.shape = _primitive()
            inner.value = self._primitive(child, attributes.pop("value", None))
        self._stack.append(inner)
        self._attributes(inner, attributes)

    def _unknown(self, frame: _Frame, name: str) -> None:
        namespace, _, local = name.rpartition(" ")
        if namespace not in (NAMESPACE, XHTML):
            self._issue(f"The element {local} is not in the namespace {NAMESPACE}.")
        elif frame.kind != "complex":
            self._issue(f"A primitive has no element {local}.")
        else:
            self._issue(f"There is no element {local} here.")
        self._skip()

    def _attributes(self, frame: _Frame, attributes: dict[str, str]) -> None:
        allowed = frame.shape.attributes if frame.shape else frozenset()
        for name, value in attributes.items():
            if name in allowed:
                frame.object[name] = value
            elif not name.startswith(_SCHEMA_INSTANCE):
                self._issue(f"There is no attribute {name.rpartition(' ')[2]} here.")

    def _primitive(self, child: Child, text: str | None) -> Any:
        if text is None or child.kind == "string":
            return text
        if child.kind == "boolean":
            if text not in ("true", "false"):
                self._issue("Neither true nor false.", child)
            return text == "true"
        if not _NUMBER.fullmatch(text):
            self._issue("Not a number.", child)
            return None
        return msgspec.Raw(text)

    def _skip(self) -> None:
        self._stack.append(_Frame("skipped", None, None))
        self._skipped = 1

    def _close(self, name: str) -> None:
        if self._skipped > 1:
            self._skipped -= 1
            return
        frame = self._stack[-1]
        if self._skipped:
            self._skipped = 0
            if frame.kind == "skipped":
                self._stack.pop()
                return
            frame.value = self._narrative(frame)
        if frame.child is None:
            self._stack.pop()
            self._close_resource(frame)
        else:
            self._attach(frame, frame.child)
            self._stack.pop()

    def _close_resource(self, frame: _Frame) -> None:
        _align(frame)
        if len(self._stack) == 1:
            self.tree = frame.object

    def _narrative(self, frame: _Frame) -> str:
        end = self._parser.CurrentByteIndex
        source = b"" if end == frame.start else self._body[frame.start : self._body.index(b">", end) + 1]
        return standalone(source, self._body, frame.start, self._prefixed)

    def _attach(self, frame: _Frame, child: Child) -> None:
        parent = self._stack[-2]
        if child.kind in ("string", "number", "boolean"):
            self._attach_primitive(parent, frame, child)
            return
        if child.kind == "complex":
            _align(frame)
            frame.value = frame.object
        if not frame.value:
            self._issue(f"The element {child.name} is empty.", key="ele-1")
        elif child.repeats:
            parent.object.setdefault(child.name, []).append(frame.value)
        else:
            parent.object[child.name] = frame.value

    def _attach_primitive(self, parent: _Frame, frame: _Frame, child: Child) -> None:
        if frame.value is None and not frame.object:
            self._issue(f"The element {child.name} has neither a value nor an extension.", key="ele-1")
        elif child.repeats:
            parent.object.setdefault(child.name, []).append(frame.value)
            parent.exts.setdefault(child.name, []).append(frame.object or None)
        else:
            if frame.value is not None:
                parent.object[child.name] = frame.value
            if frame.object:
                parent.object["_" + child.name] = frame.object


def _align(frame: _Frame) -> None:
    """Give repeating primitives their `_name` array where one of them has an id or extension (json.html#primitive)."""
    for name, extensions in frame.exts.items():
        if any(extensions):
            frame.object["_" + name] = extensions
        if all(value is None for value in frame.object[name]):
            del frame.object[name]


def _primitive() -> Shape:
    return _PRIMITIVE


_extensible = shape("Element")
_PRIMITIVE = Shape(
    _extensible.elements, {_EXTENSION: _extensible.elements["extension"]}, _extensible.attributes & {"id"}
)
