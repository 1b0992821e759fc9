"""The compiled types in use: those asked for together are compiled together, and share what they have in common.

A type alone holds 4 MB, nearly all of it data types that every resource has; forty types in one hold 45 MB. A new type
is compiled alone, in 15 ms, and joins the others once there are some.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Any

import jsonschema_rs

from fhir_server.fhir.outcome import Issue
from fhir_server.validation import explain
from fhir_server.validation.codings import Codes, are_flawed
from fhir_server.validation.engine import compiled
from fhir_server.validation.sampling import errors
from fhir_server.validation.types.compile import DRAFT, pointer, schema
from fhir_server.validation.types.keywords import RUNNING, Run

#: Types compiled alone before they join the others, and the most types that are kept.
ALONE = 6
KEPT = 64

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Judge:
    """What judges resources of one type, or of several."""

    schema: dict[str, Any]
    engine: jsonschema_rs.Validator
    names: frozenset[str]

    def run(self, tree: Tree, type: str, root: Tree, codes: Codes | None = None) -> Run | None:
        """What was noted on the way when the structure and all invariants of `tree` are right; None when not all is.

        Args:
            tree: a resource.
            type: its type.
            root: what contains it, itself when nothing does.
            codes: what is known of codes; they are not judged without.
        """
        outer = RUNNING.run
        RUNNING.run = run = Run(tree, root, codes)
        try:
            if not self.engine.is_valid({type: tree}):
                return None
        finally:
            RUNNING.run = outer
        if codes is not None and not run.has_flawed:
            run.has_flawed = are_flawed(tree, type, codes)
        return run

    def is_valid(self, tree: Tree, type: str) -> bool:
        """Whether the structure of a resource of `type` is right."""
        return bool(self.engine.is_valid({type: tree}))

    def issues(self, tree: Tree, type: str, at: str) -> list[Issue]:
        """What is wrong with its structure; `at` is its FHIRPath."""
        found = errors(lambda part: self.engine.iter_errors({type: part}), tree)
        return explain.issues(found, self.schema, type, at, skip=1) or [explain.somewhere(at)]


class Judges:
    """The judges of a process; may be shared by threads."""

    def __init__(self) -> None:
        self._by_type: dict[str, Judge] = {}
        self._lock = Lock()

    def of(self, type: str) -> Judge:
        """The judge of a resource type, compiled when it is first asked for."""
        found = self._by_type.get(type)
        return found if found is not None else self._made(type)

    def _made(self, type: str) -> Judge:
        with self._lock:
            known = self._by_type
            if type not in known:
                alone = [name for name, judge in known.items() if len(judge.names) == 1]
                if len(alone) < ALONE:
                    self._by_type = {**known, type: _judge((type,))}
                else:
                    names = (*known, type)[-KEPT:]
                    # The old ones are let go first: at no time are all types held twice.
                    known.clear()
                    alone.clear()
                    judge = _judge(names)
                    self._by_type = dict.fromkeys(names, judge)
            return self._by_type[type]


def _judge(names: tuple[str, ...]) -> Judge:
    defs = {key: value for name in names for key, value in schema(name)["$defs"].items()}
    properties = {name: {"$ref": pointer(name)} for name in names}
    together = {"$schema": DRAFT, "properties": properties, "$defs": defs}
    return Judge(together, compiled(together), frozenset(names))
