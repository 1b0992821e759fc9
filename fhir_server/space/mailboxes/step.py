"""What is written of mailboxes: each as its model says, no address twice, and never another type under an address.

https://interop.esante.gouv.fr/ig/fhir/mss (four logical models; "alimentation": PATCH of `telecom`, type and address
unchanged). The guide's patches say the type as a code, its structure as a CodeableConcept: both are read, and the
second is stored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Conflict, Invalid
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Among, Change, Extra
from fhir_server.space.mailboxes.holders import holders
from fhir_server.space.mailboxes.model import (
    EMAIL_TYPE,
    HOLDERS,
    MAILBOX_TYPES,
    MSSANTE,
    Mailbox,
    mailboxes,
)
from fhir_server.space.mailboxes.rows import MAILBOX
from fhir_server.store.filters import And, Filter, Id, Not, Token
from fhir_server.store.protocol import Guard


@dataclass(frozen=True, slots=True)
class Model:
    """One of the guide's models.

    Attributes:
        holders: what has such a mailbox.
        attributes: what is said of it, beside its type.
        shared: whether several have it.
    """

    holders: frozenset[str]
    attributes: frozenset[str]
    shared: bool = False


_EVERY = {"listeRouge", "description", "digitization"}
_OF_STRUCTURES = frozenset({*_EVERY, "service", "responsible", "phone"})
#: Type of mailbox (TRE_R257) → its model.
MODELS: Mapping[str, Model] = {
    "PER": Model(frozenset({"Practitioner", "PractitionerRole"}), frozenset(_EVERY)),
    "ORG": Model(frozenset({"Organization"}), _OF_STRUCTURES),
    "APP": Model(frozenset({"Organization"}), _OF_STRUCTURES),
    "CAB": Model(frozenset({"Practitioner"}), frozenset({*_EVERY, "responsible"}), shared=True),
}
#: Every attribute that some model has.
_KNOWN = frozenset().union(*(model.attributes for model in MODELS.values()))
#: Of an address (RFC 5321 §4.5.3.1): one local part, one domain of two labels or more; no header can be made of it.
_address = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,63}").fullmatch
TAKEN = "Another resource of the directory has this mailbox, which is of one alone."


async def arrange(context: Context, change: Change) -> Change:
    """The change with its mailboxes as they are stored: the type as a CodeableConcept, and which mail it is."""
    assert change.tree is not None
    made = {one.number: _stored(one) for one in mailboxes(change.tree)}
    points = change.tree.get("telecom", [])
    if all(point == points[number] for number, point in made.items()):
        return change
    telecom = [made.get(number, point) for number, point in enumerate(points)]
    return change.arranged({**change.tree, "telecom": telecom})


def _stored(mailbox: Mailbox) -> dict[str, Any]:
    extensions = list(mailbox.point["extension"])
    place = extensions.index(mailbox.metadata)
    attributes = [
        {"url": "type", "valueCodeableConcept": {"coding": [{"system": MAILBOX_TYPES, "code": one["valueCode"]}]}}
        if one.get("url") == "type" and "valueCode" in one
        else one
        for one in mailbox.metadata.get("extension", ())
    ]
    extensions[place] = {**mailbox.metadata, "extension": attributes}
    if not any(one.get("url") == EMAIL_TYPE for one in extensions if isinstance(one, dict)):
        extensions.insert(0, {"url": EMAIL_TYPE, "valueCoding": MSSANTE})
    return {**mailbox.point, "extension": extensions}


async def judge(context: Context, change: Change) -> None:
    """Refuse mailboxes that are not as their model says, or that change their type.

    Raises:
        Invalid: (422), naming the element.
        Conflict: the address is another's (409).
    """
    if change.tree is None:
        return
    before = {one.name: one for one in mailboxes(_before(change))}
    seen: set[str] = set()
    for one in mailboxes(change.tree):
        where = f"{change.type}.telecom[{one.number}]"
        _require_model(change.type, one, where)
        if one.name in seen:
            raise Invalid("A resource has one mailbox of an address.", f"{where}.value", code="duplicate")
        seen.add(one.name)
        known = before.get(one.name)
        if known is not None and known.type != one.type:
            words = "A mailbox keeps its type: it is taken away, and one of another address is added."
            raise Invalid(words, f"{where}.extension", code="business-rule")
        if known is None and not MODELS[one.type].shared:
            await _require_free(context, change, one, where)


async def complete(context: Context, changes: Sequence[Change], among: Among) -> Extra:
    """The condition that nobody has taken an address meanwhile."""
    guards: list[Guard] = []
    for change in changes:
        known = {one.name for one in mailboxes(_before(change))}
        for one in mailboxes(change.tree or {}):
            if one.name not in known and not MODELS[one.type].shared:
                guards += [Guard(type, _others(type, change, one), frozenset()) for type in HOLDERS]
    return Extra(guards=guards)


def _require_model(type: str, mailbox: Mailbox, where: str) -> None:
    model = MODELS.get(mailbox.type)
    if model is None:
        words = f"The type of a mailbox is one of {', '.join(MODELS)} (TRE_R257)."
        raise Invalid(words, f"{where}.extension", code="code-invalid")
    if type not in model.holders:
        words = f"A mailbox of type {mailbox.type} is of: {', '.join(sorted(model.holders))}."
        raise Invalid(words, f"{where}.extension", code="business-rule")
    if mailbox.point.get("system") != "email" or not _address(mailbox.address):
        words = "A mailbox is an e-mail address: system email, and one local part and domain."
        raise Invalid(words, f"{where}.value", code="value")
    names = mailbox.attribute_names
    if twice := next((name for name in names if name in {*_KNOWN, "type"} and names.count(name) > 1), None):
        raise Invalid(f"Of a mailbox {twice} is said once.", f"{where}.extension", code="structure")
    if stray := next((name for name in names if name in _KNOWN - model.attributes), None):
        words = f"A mailbox of type {mailbox.type} has no {stray}."
        raise Invalid(words, f"{where}.extension", code="business-rule")
    if any(not isinstance(one.get("valueBoolean"), bool) for one in mailbox.attributes("listeRouge")):
        raise Invalid("listeRouge is a boolean.", f"{where}.extension", code="value")


async def _require_free(context: Context, change: Change, mailbox: Mailbox, where: str) -> None:
    found = await holders(context.repository, mailbox.address)
    if any(one.reference != f"{change.type}/{change.id}" for one in found):
        raise Conflict(TAKEN, f"{where}.value", code="duplicate")


def _others(type: str, change: Change, mailbox: Mailbox) -> Filter:
    has = Token(MAILBOX, mailbox.name)
    return And((has, Not(Id((change.id,))))) if type == change.type else has


def _before(change: Change) -> dict[str, Any]:
    return parse(change.before.body) if change.before is not None and not change.before.deleted else {}
