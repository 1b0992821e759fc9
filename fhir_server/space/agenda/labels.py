"""Whom a slot is for: the labels of the access-to-care platform (SAS), which hide a slot from everybody else.

https://interop.esante.gouv.fr/ig/fhir/sas (`Slot.meta.security`, JDV_J165): PUBLIC, the general public; PRO, every
professional; CPTS, those of the community of practices that the slot names; SNP, regulators and who organises
unscheduled care, who come through software that the settings name. A slot may have several, and is for all of them;
without any, it is the professionals' own business (GAP, which has no labels).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fhir_server.access.grant import Grant
from fhir_server.access.rules import Asked, Rule
from fhir_server.access.write_rules import administers
from fhir_server.fhir.outcome import Issue
from fhir_server.interactions.exchange import Context
from fhir_server.search.parameters.codes import spelling
from fhir_server.settings import Settings
from fhir_server.space.agenda.authors import is_patients, is_professional
from fhir_server.space.agenda.parties import FACTS, Acting, made_by, mine
from fhir_server.space.label_places import misplaced
from fhir_server.store.filters import NOTHING, Filter, Linked, LinkedFrom, Not, Refers, Token, both, either

#: Code system of the labels.
SYSTEM = "https://mos.esante.gouv.fr/NOS/TRE_R314-TypeCreneau/FHIR/TRE-R314-TypeCreneau"
PUBLIC, PRO, CPTS, SNP = "PUBLIC", "PRO", "CPTS", "SNP"
#: SearchParameter of the guide: the HealthcareService that a slot is offered by.
SERVICE = "service-type-reference"
_REASON = "kept for others than who asks"
_SLOTS = frozenset({"Slot"})
_PLACE = "This label says whom a Slot is for, in its meta.security: here it would hide nothing from anybody."


async def places(context: Context, tree: dict[str, Any], profiles: Sequence[str]) -> list[Issue]:
    """That the labels of slots are on slots, whose agenda and appointments have rules of their own."""
    return [] if tree["resourceType"] in _SLOTS else misplaced(tree, lambda one: one.get("system") == SYSTEM, _PLACE)


def _label(code: str) -> Filter:
    return Token("_security", spelling(code, SYSTEM), SYSTEM)


_PUBLIC = _label(PUBLIC)


def rules(settings: Settings) -> tuple[Rule, ...]:
    """The rules of labels, with the platforms that the settings name."""
    platforms = frozenset(settings.sas_clients)

    def is_platform(grant: Grant) -> bool:
        # Whoever admits software chose its id; an app's publisher chose nothing that counts here.
        return grant.client in platforms and not grant.referenced

    def of_professionals(asked: Asked) -> Filter:
        return NOTHING if is_platform(asked.grant) else Not(either(list(_for_professionals(asked))))

    def of_others(asked: Asked) -> Filter:
        known = is_professional(asked.grant) or administers(asked.grant) or is_platform(asked.grant)
        return NOTHING if known or asked.type != "Slot" else Not(either([_PUBLIC, *made_by(asked.grant)]))

    # Whoever makes a slot says whom it is for, themself or not.
    return (
        Rule("agenda-labels", _REASON, _SLOTS, withholds=of_professionals, of_writes=False, facts=FACTS),
        Rule("agenda-public", _REASON, _SLOTS | {"Schedule"}, gives=_given, withholds=of_others, of_writes=False),
    )


def _given(asked: Asked) -> Filter:
    """What people read of slots that are of no record: those for everybody, and the agendas that have some."""
    if asked.verb not in "rs" or not is_patients(asked.grant):
        return NOTHING
    return _PUBLIC if asked.type == "Slot" else LinkedFrom("Slot", "schedule", _PUBLIC)


def _for_professionals(asked: Asked) -> Iterator[Filter]:
    yield from (_PUBLIC, _label(PRO), Not(Token("_security", None, SYSTEM)), *made_by(asked.grant))
    if isinstance(asked.facts, Acting):
        if (theirs := mine(asked.facts)) != NOTHING:
            yield Linked("schedule", "Schedule", theirs)
        yield from _of_community(asked.facts)


def _of_community(acting: Acting) -> Iterator[Filter]:
    """Slots of the services of the structure that a professional acts for, or of those in their role."""
    offered: list[Filter] = [
        Refers(SERVICE, one) for one in sorted(acting.names) if one.startswith("HealthcareService/")
    ]
    provided = either([Refers("organization", one) for one in sorted(acting.structures)])
    if acting.structures:
        offered.append(Linked(SERVICE, "HealthcareService", provided))
    if offered:
        yield both(_label(CPTS), either(offered))
