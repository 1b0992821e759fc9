"""Who reads where a space stands, and what is read of a space that is not in use.

CSP R1111-36: what is closed is an archive, which nobody consults until it is opened again. What professionals read of
it is the record's own gate (`space.record.gate`), which goes by the Patient. The holder still reads who they are, where
their space stands, what they agreed to and who looked at it.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, NamedTuple

from fhir_server.access.grant import Grant
from fhir_server.access.record_owner import readable, rows
from fhir_server.access.rules import Asked, Facts, Rule
from fhir_server.changes.cache import hangs_on
from fhir_server.fhir.json import parse
from fhir_server.space.accounts.rows import LIFE
from fhir_server.space.identities.links import MOST, into, linked_to, merged_into
from fhir_server.space.record.clinical import CLINICAL, DOCUMENTS, patient_param
from fhir_server.space.record.standing import CLOSED
from fhir_server.store.filters import EVERYTHING, NOTHING, Filter, Id, Linked, either

if TYPE_CHECKING:
    from fhir_server.access.repository import Repository

#: What stays readable to the holder of a space that is not in use.
_STAYS = frozenset({"Basic", "Consent", "Patient"})
_ARCHIVED = frozenset(type for type, row in rows().items() if row.kind == "record") - _STAYS


def _is_holders(grant: Grant) -> bool:
    return (grant.subject or "").startswith(("Patient/", "RelatedPerson/"))


def _lives_kept(asked: Asked) -> Filter:
    """Professionals see by the Patient whether the record is in use, and no more."""
    return NOTHING if asked.level == "system" or _is_holders(asked.grant) else LIFE


def _of(grant: Grant) -> Hashable | None:
    if grant.own or not _is_holders(grant):
        return None
    own = {str(grant.subject).removeprefix("Patient/")} if str(grant.subject).startswith("Patient/") else set()
    found = {grant.patient} if grant.patient else {*grant.wards, *own}
    return frozenset(found) or None


class Records(NamedTuple):
    """What is read of the records of a caller's side: ids of patients.

    Attributes:
        closed: of theirs, those that are not in use.
        merged: records that were made one with theirs, one after the other too.
    """

    closed: frozenset[str]
    merged: frozenset[str]


async def _read(own: Repository, key: Hashable) -> Hashable:
    assert isinstance(key, frozenset)
    ids = sorted(key)
    # Of these patients alone: others are opened and closed all day. A merge and its undoing write them too.
    hangs_on(*(("Patient", id) for id in ids))
    page = await own.find({"Patient": either([Id(tuple(ids)), linked_to(ids)])}, count=len(ids) + MOST)
    theirs = [one for one in page.versions if one.id in key]
    merged = into(page.versions, ids)
    return Records(
        frozenset(one.id for one in theirs if parse(one.body).get("active") is False),
        frozenset([*merged, *await merged_into(own, merged)]),
    )


#: Both are known of one reading, and remembered together: it stands before whatever a patient's side asks first.
FACTS = Facts(_of, _read, frozenset())


def _archived(asked: Asked) -> Filter:
    if asked.verb == "c" and asked.type == "DocumentReference":
        # The record refuses what is filed in an archive by whomever, and says that it is one (`record.open_records`).
        return NOTHING
    records = asked.facts
    if not isinstance(records, Records):
        return NOTHING if not _is_holders(asked.grant) else EVERYTHING
    return either([readable(id, asked.type) for id in sorted(records.closed)])


def _of_closed(asked: Asked) -> Filter:
    """A publisher's own software, which no person stands behind, reads no archive either."""
    if asked.level != "system" or asked.grant.own or not asked.grant.referenced or asked.verb not in "rs":
        return NOTHING
    return Linked(patient_param(asked.type), "Patient", CLOSED)


RULES = (
    Rule(
        "space-life-kept",
        "kept by the space: it changes by $space-move",
        frozenset({"Basic"}),
        withholds=_lives_kept,
        kept={"Basic": LIFE},
    ),
    Rule(
        "space-not-in-use",
        "of a space that is not in use",
        _ARCHIVED,
        withholds=_archived,
        facts=FACTS,
    ),
    Rule("space-closed-to-software", "of a space that is not in use", CLINICAL | DOCUMENTS, withholds=_of_closed),
)
