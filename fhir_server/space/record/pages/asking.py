"""What a page asks of the server: FHIR, with the grant of the person who looks at it.

Whatever hides, refuses or traces a call of software does the same here: https://hl7.org/fhir/R4/http.html.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from fhir_server.access.grant import Grant
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import Forbidden, Gone, NotFound
from fhir_server.interactions.binary import RAW
from fhir_server.interactions.exchange import FHIR_JSON, Request, Response
from fhir_server.space.service import Surroundings

Tree = dict[str, Any]
Pairs = Sequence[tuple[str, str]]
_JSON_PATCH = "application/json-patch+json"


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search.

    Attributes:
        trees: the matches, in order.
        included: what was brought along, by reference.
        total: how many there are in all; None where that is not known.
        next: what asks for the next page, as `_cursor`; "" when this is the last.
    """

    trees: Sequence[Tree]
    included: Mapping[str, Tree] = field(default_factory=dict)
    total: int | None = None
    next: str = ""


@dataclass(frozen=True, slots=True)
class Asking:
    """The server as one person may ask it.

    Attributes:
        around: the opened server.
        grant: of the person.
        base: the FHIR base as their browser sees it.
    """

    around: Surroundings
    grant: Grant
    base: str

    async def read(self, type: str, id: str) -> Tree | None:
        """The resource; None when it is absent, hidden or deleted: a page says the same of all three."""
        try:
            answer = await self._ask(Request("GET", (type, id)))
        except (NotFound, Gone, Forbidden):
            return None
        return parse(answer.body)

    async def content(self, id: str, streams: bool = False) -> Response | None:
        """A Binary's bytes in their own media type; None as `read`.

        With `streams` long content is not in memory, but read as it is sent (`Response.stream`).
        """
        try:
            return await self._ask(Request("GET", ("Binary", id), headers={RAW: "1"}, streams=streams))
        except (NotFound, Gone, Forbidden):
            return None

    async def find(self, type: str, pairs: Pairs) -> Found:
        """What a search finds.

        Raises:
            FhirError: it cannot be made, such as by a `_cursor` of another search (400).
        """
        answer = parse((await self._ask(Request("GET", (type,), tuple(pairs)))).body)
        entries = [one for one in answer.get("entry", ()) if "resource" in one]
        matches = [one["resource"] for one in entries if one.get("search", {}).get("mode", "match") == "match"]
        rest = (one["resource"] for one in entries if one.get("search", {}).get("mode") == "include")
        included = {f"{one['resourceType']}/{one['id']}": one for one in rest}
        return Found(matches, included, answer.get("total"), _cursor(answer))

    async def create(self, tree: Tree, unless: str = "") -> Tree:
        """The resource as it is stored; what is there already under the condition `unless`, where one is.

        Raises:
            FhirError: it is refused, with every reason.
        """
        headers = {"if-none-exist": unless} if unless else {}
        return parse((await self._ask(_sent("POST", (tree["resourceType"],), tree, headers))).body)

    async def create_all(self, trees: Sequence[tuple[Tree, str]]) -> None:
        """Make several resources, each unless one is there by its condition: all of them, or none.

        Raises:
            FhirError: as `create`, of any of them.
        """
        entries = [
            {"resource": tree, "request": {"method": "POST", "url": tree["resourceType"], "ifNoneExist": unless}}
            for tree, unless in trees
        ]
        await self._ask(_sent("POST", (), {"resourceType": "Bundle", "type": "transaction", "entry": entries}))

    async def update(self, tree: Tree) -> Tree:
        """The next version, of the one that `tree` was made from.

        Raises:
            FhirError: as `create`; the resource has changed meanwhile (412).
        """
        path = (tree["resourceType"], tree["id"])
        return parse((await self._ask(_sent("PUT", path, tree, _matching(tree)))).body)

    async def patch(self, tree: Tree, operations: Sequence[Mapping[str, Any]]) -> None:
        """Change part of a resource: JSON Patch of the version that `tree` is.

        Raises:
            FhirError: as `update`.
        """
        path = (tree["resourceType"], tree["id"])
        body = msgspec.json.encode(operations)
        await self._ask(Request("PATCH", path, body=body, content_type=_JSON_PATCH, headers=_matching(tree)))

    async def patch_all(self, trees: Sequence[Tree], operations: Sequence[Mapping[str, Any]]) -> None:
        """Change the same of several resources, of all or of none: https://hl7.org/fhir/R4/http.html#transaction.

        Raises:
            FhirError: as `update`, of any of them.
        """
        data = b64encode(msgspec.json.encode(operations)).decode()
        patch = {"resourceType": "Binary", "contentType": _JSON_PATCH, "data": data}
        entries = [{"resource": patch, "request": _patched(tree)} for tree in trees]
        await self._ask(_sent("POST", (), {"resourceType": "Bundle", "type": "transaction", "entry": entries}))

    async def delete(self, type: str, id: str) -> None:
        """Delete a resource.

        Raises:
            FhirError: it is refused.
        """
        await self._ask(Request("DELETE", (type, id)))

    async def operate(
        self, path: tuple[str, ...], parameters: Tree | None = None, query: Pairs = (), language: str = ""
    ) -> Tree:
        """What an operation answers; posted when it is given `parameters`, asked for without, in a `language`.

        Raises:
            FhirError: as the operation says.
        """
        headers = {"accept-language": language} if language else {}
        asked = (
            Request("GET", path, tuple(query), headers=headers)
            if parameters is None
            else _sent("POST", path, parameters)
        )
        answer = await self._ask(asked)
        return parse(answer.body) if answer.body else {}

    async def _ask(self, request: Request) -> Response:
        return await self.around.exchange(request, self.grant, self.base)


def parameters(parts: Iterable[Tree]) -> Tree:
    """A Parameters resource: https://hl7.org/fhir/R4/parameters.html."""
    return {"resourceType": "Parameters", "parameter": list(parts)}


def _sent(method: str, path: tuple[str, ...], tree: Tree, headers: Mapping[str, str] | None = None) -> Request:
    return Request(method, path, body=serialize(tree), content_type=FHIR_JSON, headers=headers or {})


def _matching(tree: Tree) -> Mapping[str, str]:
    return {"if-match": f'W/"{tree["meta"]["versionId"]}"'}


def _patched(tree: Tree) -> Mapping[str, str]:
    return {
        "method": "PATCH",
        "url": f"{tree['resourceType']}/{tree['id']}",
        "ifMatch": _matching(tree)["if-match"],
    }


def _cursor(bundle: Tree) -> str:
    link = next((one["url"] for one in bundle.get("link", ()) if one.get("relation") == "next"), "")
    return parse_qs(urlsplit(link).query).get("_cursor", [""])[0]
