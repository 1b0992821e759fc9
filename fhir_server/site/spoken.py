"""Templates compiled for one language: what they say in both is settled once, not each time a page is made.

https://jinja.palletsprojects.com/en/stable/api/#high-level-api
"""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, nodes
from jinja2.visitor import NodeTransformer

from fhir_server.site.words import Language


class Spoken(Environment):
    """An environment whose templates say `say("Oui", "Yes")` in its language, as if it stood there alone."""

    def __init__(self, chosen: Language, **options: Any) -> None:
        """As Jinja's."""
        super().__init__(**options)
        self._settling = _Settling(0 if chosen == "fr" else 1)

    def compile(
        self,
        source: str | nodes.Template,
        name: str | None = None,
        filename: str | None = None,
        raw: bool = False,
        defer_init: bool = False,
    ) -> Any:
        """As Jinja's."""
        tree = self.parse(source, name, filename) if isinstance(source, str) else source
        self._settling.visit(tree)
        if raw:
            return super().compile(tree, name, filename, True, defer_init)
        return super().compile(tree, name, filename, False, defer_init)


class _Settling(NodeTransformer):
    def __init__(self, chosen: int) -> None:
        self._chosen = chosen

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        self.generic_visit(node)
        asked = isinstance(node.node, nodes.Name) and node.node.name == "say" and len(node.args) == 2
        return node.args[self._chosen] if asked else node
