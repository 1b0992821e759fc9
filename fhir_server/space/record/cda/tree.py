"""The elements of a CDA document, as they were written: names, attributes, text, and the place in the file.

HL7 CDA R2 (ISO/HL7 27932:2009). Names are of HL7's namespace and stand without it; any other element is "URI name".
"""

from __future__ import annotations

from collections.abc import Iterator

#: The namespace of CDA.
HL7 = "urn:hl7-org:v3"


class Node:
    """One element.

    Attributes:
        name: without HL7's namespace; of another one, "URI name".
        attributes: by name; those in a namespace as "URI name".
        children: elements and text between them, in order.
        line, column: of its start in the file, from 1.
    """

    __slots__ = ("attributes", "children", "column", "line", "name")

    def __init__(self, name: str, attributes: dict[str, str], line: int = 1, column: int = 1) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[Node | str] = []
        self.line = line
        self.column = column

    def get(self, name: str) -> str:
        """The value of an attribute without the blanks around it; "" when there is none."""
        return self.attributes.get(name, "").strip()

    @property
    def elements(self) -> Iterator[Node]:
        """Its child elements, in order."""
        return (child for child in self.children if isinstance(child, Node))

    def all(self, path: str) -> list[Node]:
        """The elements at a path of names ("patientRole/id"), in order."""
        found = [self]
        for step in path.split("/"):
            found = [child for node in found for child in node.elements if child.name == step]
        return found

    def first(self, path: str) -> Node | None:
        """The first element at a path; None when there is none."""
        return next(iter(self.all(path)), None)

    def value(self, path: str, attribute: str = "value") -> str:
        """An attribute of the first element at a path; "" when there is none."""
        found = self.first(path)
        return "" if found is None else found.get(attribute)

    @property
    def text(self) -> str:
        """All the text inside, with each run of blanks as one blank."""
        return " ".join("".join(self._texts()).split())

    def text_of(self, path: str) -> str:
        """As `text`, of the first element at a path; "" when there is none."""
        found = self.first(path)
        return "" if found is None else found.text

    def walk(self) -> Iterator[Node]:
        """This element and all below it, in the order of the file."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed([*node.elements])

    def _texts(self) -> Iterator[str]:
        waiting: list[Node | str] = [self]
        while waiting:
            one = waiting.pop()
            if isinstance(one, str):
                yield one
            else:
                waiting += reversed(one.children)
