"""The operations this server has, each held to its OperationDefinition: levels, parameters, whether GET may call it.

https://hl7.org/fhir/R4/operations.html. A row here and a definition in `capability/` add an
operation; a service declares its own, whose definition may stand in its folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import msgspec

from fhir_server.fhir import definitions
from fhir_server.fhir.outcome import MethodNotAllowed, NotFound
from fhir_server.interactions import statement
from fhir_server.interactions.exchange import Context, Request, Response
from fhir_server.interactions.paged_parameters import asked
from fhir_server.operations import (
    document,
    everything,
    expand,
    explain,
    lastn,
    lookup,
    meta,
    reindex,
    subsumes,
    translate,
    validate,
    validate_code,
)
from fhir_server.operations.invocation import Definition, Invocation, Operation, Parameter, inputs
from fhir_server.operations.remote_terminology import or_elsewhere

#: Id of the OperationDefinition → what does it, and whether search parameters are among its own.
OPERATIONS: dict[str, tuple[Operation, bool]] = {
    "Patient-everything": (everything.everything, False),
    "Resource-meta": (meta.meta, False),
    "Resource-meta-add": (meta.meta_add, False),
    "Resource-meta-delete": (meta.meta_delete, False),
    "Resource-validate": (validate.validate, False),
    "Composition-document": (document.document, False),
    "Observation-lastn": (lastn.lastn, True),
    "ValueSet-expand": (or_elsewhere(expand.expand, "ValueSet/$expand"), False),
    "ValueSet-validate-code": (or_elsewhere(validate_code.in_value_set, "ValueSet/$validate-code"), False),
    "CodeSystem-validate-code": (or_elsewhere(validate_code.in_code_system, "CodeSystem/$validate-code"), False),
    "CodeSystem-lookup": (or_elsewhere(lookup.lookup, "CodeSystem/$lookup"), False),
    "CodeSystem-subsumes": (or_elsewhere(subsumes.subsumes, "CodeSystem/$subsumes"), False),
    "ConceptMap-translate": (or_elsewhere(translate.translate, "ConceptMap/$translate"), False),
    "reindex": (reindex.reindex, False),
    "explain": (explain.explain, True),
}

#: Those that may be asked of a past version, and are answered of that; the others are about what is there now.
OF_VERSIONS = frozenset(
    {"Resource-meta", "Resource-validate", "ValueSet-expand", "ValueSet-validate-code", "ConceptMap-translate"}
)

_LENT = Parameter("tx-resource", "in", 0, "*", "Resource")
#: Parameters taken beside those of the definition: value sets the caller brings, and what later releases have.
FURTHER: dict[str, tuple[Parameter, ...]] = {
    "ValueSet-expand": (_LENT, Parameter("property", "in", 0, "*", "string")),
    "ValueSet-validate-code": (
        _LENT,
        Parameter("inferSystem", "in", 0, "1", "boolean"),
        Parameter("system-version", "in", 0, "*", "uri"),
        Parameter("force-system-version", "in", 0, "*", "uri"),
    ),
}

#: Number of segments before `$name` → the level, as the OperationDefinition names it.
_LEVELS = {0: "system", 1: "type", 2: "instance", 4: "instance"}


class Operations:
    """The operations of one server.

    Attributes:
        rows: as `OPERATIONS`.
    """

    def __init__(self, further: Mapping[str, Operation], folders: Sequence[Path] = ()) -> None:
        """`further` are those of services, by the id of the OperationDefinition: in `capability/`, or in `folders`."""
        self._folders = (definitions.folder("capability"), *folders)
        self.rows = {**OPERATIONS, **{id: (operation, False) for id, operation in further.items()}}

    async def operate(self, request: Request, context: Context) -> Response:
        """The answer to a call of `$name` at any level, by GET or POST.

        Raises:
            NotFound: no such operation at this level for this type, or none of a past version (404).
            MethodNotAllowed: GET of an operation that changes what is stored (405).
            InvalidParameter: a parameter the operation does not have, or not of its type (400).
        """
        definition, operation, open_ended = self._found(request.path)
        if request.method == "GET" and definition.affectsState:
            raise MethodNotAllowed("This operation changes what is stored: POST it.", headers={"Allow": "POST"})
        path = request.path[:-1]
        if len(path) > 3 and definition.id not in OF_VERSIONS:
            raise NotFound("This operation is not for a past version: ask it of the resource.", code="not-supported")
        request, posted, here = await asked(request, context, "/".join(request.path))
        call = Invocation(
            type=path[0] if path else None,
            id=path[1] if len(path) > 1 else None,
            version=path[3] if len(path) > 3 else None,
            inputs=inputs(definition, request, context, open_ended),
            request=request,
            posted=posted,
            here=here,
        )
        return await operation(call, context)

    @cached_property
    def published(self) -> dict[str, Definition]:
        """The OperationDefinitions, by id."""
        read = msgspec.json.Decoder(Definition).decode
        found = {id: read(self._file(id).read_bytes()) for id in self.rows}
        return {id: msgspec.structs.replace(d, parameter=d.parameter + FURTHER.get(id, ())) for id, d in found.items()}

    def _file(self, id: str) -> Path:
        files = [folder / f"OperationDefinition-{id}.json" for folder in self._folders]
        return next((file for file in files if file.is_file()), files[0])

    def _found(self, path: tuple[str, ...]) -> tuple[Definition, Operation, bool]:
        code, level = path[-1][1:], _LEVELS[len(path) - 1]
        for id, definition in self.published.items():
            if definition.code == code and getattr(definition, level) and _speaks_of(definition, path):
                return definition, *self.rows[id]
        where = f"{path[0]}'s {level} level" if len(path) > 1 else "system level"
        raise NotFound(f"There is no operation ${code[:64]} at {where}.", code="not-supported")


def _speaks_of(definition: Definition, path: tuple[str, ...]) -> bool:
    if len(path) == 1:
        return True
    named = definition.resource
    return path[0] in named or ("Resource" in named and statement.supports(path[0]))
