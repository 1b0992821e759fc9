"""Which resources belong to a patient, an encounter, a practitioner, a related person or a device: their compartment.

https://hl7.org/fhir/R4/compartmentdefinition.html. Pure: used by compartment search and by the access policy alike.
"""

from __future__ import annotations

from functools import lru_cache

from fhir_server.fhir.definitions import compartments
from fhir_server.store.filters import NOTHING, Filter, Id, Refers, either

#: What CompartmentDefinition.resource.param says where it means the owner itself rather than a reference to it.
OWNER = "{def}"


@lru_cache(maxsize=8192)
def compartment_filter(name: str, id: str, type: str) -> Filter:
    """What of `type` is in the compartment `name`/`id`; `NOTHING` when the type is never in such a compartment.

    The owner is always in its own compartment, whether or not its definition lists it.

    Args:
        name: a compartment of R4, e.g. "Patient".
        id: logical id of its owner.
        type: a resource type.
    """
    owner = f"{name}/{id}"
    parts: list[Filter] = [Id((id,))] if type == name else []
    parts += [Refers(param, owner) for param in compartments().get(name, {}).get(type, ()) if param != OWNER]
    return either(parts) if parts else NOTHING


def compartment_types(name: str) -> tuple[str, ...]:
    """The resource types that can be in a compartment `name`, its owner's type included, in alphabetical order."""
    listed = compartments().get(name)
    return () if listed is None else tuple(sorted({name, *(type for type, params in listed.items() if params)}))
