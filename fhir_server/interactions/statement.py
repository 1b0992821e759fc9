"""The CapabilityStatement this server is held to: which interactions each type offers, and under which conditions.

https://hl7.org/fhir/R4/capabilitystatement.html. `capability/CapabilityStatement.json` is obeyed here, so that what
`/metadata` says is what `dispatch` does.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import msgspec

from fhir_server.fhir import definitions

#: Says of `rest` where websockets are: https://hl7.org/fhir/R4/extension-capabilitystatement-websocket.html.
WEBSOCKET = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-websocket"
#: Interactions of the whole system, as `rest.interaction` names them, and always offered ones besides.
SYSTEM = frozenset({"transaction", "batch", "search-system", "history-system"})


@cache
def published() -> dict[str, Any]:
    """The statement as it is written in `capability/`; not to be changed by the caller."""
    body = (definitions.folder("capability") / "CapabilityStatement.json").read_bytes()
    return msgspec.json.decode(body, type=dict[str, Any])


@cache
def resources() -> dict[str, dict[str, Any]]:
    """Resource type → its `rest.resource` of the CapabilityStatement that is published."""
    return {resource["type"]: resource for resource in published()["rest"][0]["resource"]}


@cache
def offered() -> frozenset[tuple[str | None, str]]:
    """(type, interaction code) of everything offered; type None for the whole system."""
    rest = published()["rest"][0]
    own = {(None, row["code"]) for row in rest.get("interaction", ())}
    return frozenset(
        own | {(type, row["code"]) for type, spoken in resources().items() for row in spoken["interaction"]}
    )


def supports(type: str) -> bool:
    """Whether the type is served at all."""
    return type in resources()


def conditional_delete(type: str) -> Literal["not-supported", "single", "multiple"]:
    """What a conditional delete of `type` may delete."""
    found: Literal["not-supported", "single", "multiple"] = resources()[type].get("conditionalDelete", "not-supported")
    return found


def allows(type: str, flag: Literal["conditionalCreate", "conditionalUpdate", "updateCreate"]) -> bool:
    """Whether the statement sets `flag` for `type`."""
    return bool(resources()[type].get(flag, False))


def socket_url(base: str) -> str:
    """Where websockets are of the server whose FHIR base is `base`."""
    return "ws" + base.removeprefix("http").removesuffix("/fhir") + "/websocket"
