"""Who sees a document by its labels, whom it is about and who wrote it: rules that become part of every filter.

CSP R1111-26 to R1111-53, as ARCHITECTURE.md has them. Each rule withholds by itself; what
professionals are let in by (blocked, authorised, emergencies) is in rules of their own. A rule is about what is stored:
whoever files, masks or deletes a document may make what they then see no more.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, NamedTuple

from fhir_server.access.grant import Grant
from fhir_server.access.record_owner import WHOSE, readable, rows
from fhir_server.access.rules import Asked, Facts, Rule
from fhir_server.access.write_rules import administers
from fhir_server.space.acting import ended, minute
from fhir_server.space.record.labels import MASKED, NOT_PATIENT, NOT_REPRESENTATIVES
from fhir_server.space.record.rows import OF_SHARED, SECURITY_LABEL, VISIBLE
from fhir_server.space.record.sharing.words import LIST_TYPES, LIST_TYPES_MISSPELT
from fhir_server.space.record.standing import FACTS, Standing, masked_shown, written_by
from fhir_server.store.filters import EVERYTHING, NOTHING, Filter, Linked, Not, Range, Refers, Token, both, either

if TYPE_CHECKING:
    from fhir_server.access.repository import Repository

DOCUMENTS = frozenset({"DocumentReference"})


def has_label(code: str) -> Filter:
    """Documents with a label. By the parameter's own row, which what an earlier server stored has too."""
    return Token(SECURITY_LABEL, code.casefold())


#: Documents that are deleted, logically.
DELETED = Token("status", "entered-in-error")


def _deleted(asked: Asked) -> Filter:
    if asked.grant.own:
        return NOTHING
    # An administrator's software reads it no more than others; what it writes under its id, it writes over it.
    return NOTHING if asked.level == "system" and administers(asked.grant) and asked.verb in "ud" else DELETED


def _professional(grant: Grant) -> bool:
    return (grant.subject or "").startswith(("Practitioner/", "PractitionerRole/"))


def _patients_side(grant: Grant) -> bool:
    """Whether the caller is a patient, somebody who acts for one, or their app."""
    levels = {scope.level for scope in grant.scopes}
    return not grant.own and not _professional(grant) and bool(levels & {"patient", "user"})


class _Time(NamedTuple):
    """The minute that it is, in µs since 1970."""

    now: int


def _when(grant: Grant) -> Hashable | None:
    return minute() if _patients_side(grant) else None


async def _told_time(own: Repository, key: Hashable) -> Hashable:
    assert isinstance(key, int)
    return _Time(key)


def _invisible(asked: Asked) -> Filter:
    if asked.level == "system" or not isinstance(asked.facts, _Time):
        return NOTHING
    return both(has_label(NOT_PATIENT), Not(Range(VISIBLE, high_to=asked.facts.now)))


def _of_minors(asked: Asked) -> Filter:
    """What the minor asked to be kept from who acts for them; what they wish of caregivers is no less."""
    grant = asked.grant
    if asked.level == "system" or not _patients_side(grant) or grant.subject is None:
        return NOTHING
    own = grant.subject.removeprefix("Patient/") if grant.subject.startswith("Patient/") else None
    if asked.level == "patient":
        return NOTHING if own is not None and grant.patient == own else has_label(NOT_REPRESENTATIVES)
    hidden = has_label(NOT_REPRESENTATIVES)
    return hidden if own is None else both(hidden, Not(Refers("subject", f"Patient/{own}")))


class _Ended(NamedTuple):
    """For whom the caller acts no more: ids of patients."""

    patients: frozenset[str]


def _represents(grant: Grant) -> Hashable | None:
    if not _patients_side(grant) or grant.subject is None or grant.subject.startswith("Organization/"):
        return None  # An establishment acts for itself, whatever the patient's age.
    own = grant.subject.removeprefix("Patient/")
    others = (grant.wards | ({grant.patient} if grant.patient else set())) - {own}
    return (grant.subject, frozenset(others), minute()) if others else None


async def _over(own: Repository, key: Hashable) -> Hashable:
    assert isinstance(key, tuple)
    subject, patients, now = key
    return _Ended(await ended(own, subject, patients, now))


def _acts_no_more(asked: Asked) -> Filter:
    facts, grant = asked.facts, asked.grant
    if asked.level == "system" or not isinstance(facts, _Ended) or not facts.patients:
        return NOTHING
    if asked.level == "patient":
        return EVERYTHING if grant.patient in facts.patients else NOTHING
    ids = sorted(facts.patients)
    if asked.verb in "rs":
        return either([readable(id, asked.type) for id in ids])
    return either([Refers(WHOSE, f"Patient/{id}") for id in ids])


def _masked(asked: Asked) -> Filter:
    standing = asked.facts
    if not isinstance(standing, Standing):
        return has_label(MASKED)
    return both(has_label(MASKED), Not(either([written_by(standing), masked_shown(standing)])))


#: Submission sets and folders: what producers say of documents that they filed together, their titles and who they are.
_LOTS = either([Token("code", None, system) for system in (LIST_TYPES, LIST_TYPES_MISSPELT)])


def _lots(asked: Asked) -> Filter:
    """A lot of which every document is hidden: it tells when, by whom and under which title one was filed."""
    seen = asked.told("DocumentReference")
    if asked.verb == "c" or seen == EVERYTHING or (asked.verb in "ud" and administers(asked.grant)):
        return NOTHING
    named = Linked("item", "DocumentReference", EVERYTHING)
    return both(_LOTS, named, Not(Linked("item", "DocumentReference", seen)))


def _provenances(asked: Asked) -> Filter:
    """A Provenance of hidden documents alone: it tells when, by whom and why one was written or changed."""
    documents, lists = asked.told("DocumentReference"), asked.told("List")
    everything = documents == EVERYTHING and lists == EVERYTHING
    if asked.verb == "c" or everything or (asked.verb in "ud" and administers(asked.grant)):
        return NOTHING
    seen = [Linked("target", "DocumentReference", documents), Linked("target", "List", lists)]
    return both(Token(OF_SHARED, "1"), Not(either(seen)))


RULES = (
    Rule(
        "document-provenance",
        "of documents that are all hidden",
        frozenset({"Provenance"}),
        withholds=_provenances,
        of_writes=False,
    ),
    Rule(
        "document-lots",
        "of documents that are all hidden",
        frozenset({"List"}),
        withholds=_lots,
        of_writes=False,
        unnamed_in_traces=True,
    ),
    Rule("document-deleted", "deleted by its author", DOCUMENTS, withholds=_deleted, of_writes=False, unnamed=True),
    Rule(
        "document-masked",
        "masked to professionals; its author sees it",
        DOCUMENTS,
        withholds=_masked,
        of_writes=False,
        unnamed=True,
        facts=FACTS,
    ),
    Rule(
        "document-invisible",
        "invisible to its patient for the first month",
        DOCUMENTS,
        withholds=_invisible,
        of_writes=False,
        unnamed=True,
        facts=Facts(_when, _told_time, frozenset()),
    ),
    Rule(
        "document-of-a-minor",
        "invisible to who acts for the patient",
        DOCUMENTS,
        withholds=_of_minors,
        of_writes=False,
        unnamed=True,
    ),
    Rule(
        "acting-ended",
        "of a patient for whom the caller acts no more",
        frozenset(rows()) - {"Binary"},
        withholds=_acts_no_more,
        facts=Facts(_represents, _over, frozenset({"Patient", "RelatedPerson"})),
    ),
)
