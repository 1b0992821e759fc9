"""Who is at a page of messages: their grant, who they write as, and what others are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fhir_server.access.grant import Grant, Scope
from fhir_server.site.signed_in import Guest
from fhir_server.space.messages.model import Side, local
from fhir_server.space.messages.writers import Writer, writer_of
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.pages.people import SITE, asking, patients
from fhir_server.space.service import Surroundings

#: Drafts are discarded too.
_MESSAGES = frozenset("cruds")
#: Type → the letters of `cruds` that a professional's pages need, of those who write to them.
_THEIRS = {
    "Binary": "cr",
    "Communication": "cruds",
    "DocumentReference": "rs",
    "Organization": "rs",
    "Patient": "rs",
    "Practitioner": "rs",
    "PractitionerRole": "rs",
    "RelatedPerson": "rs",
}


#: In which order the mailboxes of a professional are offered.
_PLACES = ("Practitioner", "PractitionerRole", "Organization")


@dataclass(frozen=True, slots=True)
class Correspondent:
    """Somebody at a page.

    Attributes:
        asking: the server, as they may ask it.
        side: theirs.
        name: the reference that they send as.
        path: of their conversations, from the root.
    """

    asking: Asking
    side: Side
    name: str
    path: str


def correspondent(guest: Guest[Surroundings]) -> Correspondent | None:
    """Who is at the page; None where the address names a patient for whom they do not act."""
    if guest.account.professional:
        scopes = tuple(Scope("user", type, frozenset(verbs)) for type, verbs in _THEIRS.items())
        role = guest.session.role or next(iter(guest.account.roles), None)
        grant = Grant(scopes, subject=guest.account.subject, role=role, client=SITE, purpose="TREAT")
        return Correspondent(asking(guest, grant), "professional", guest.account.subject or "", "/messages")
    patient = guest.path("patient")
    if patient not in guest.account.patients:
        return None
    given = patients(guest.account, patient)
    more = (Scope("patient", "Communication", _MESSAGES), Scope("patient", "RelatedPerson", frozenset("rs")))
    grant = replace(given, scopes=(*given.scopes, *more))
    return Correspondent(asking(guest, grant), "patient", f"Patient/{patient}", f"/mes-messages/{patient}")


async def writer(guest: Guest[Surroundings], here: Correspondent) -> Writer:
    """Who they are to the rules of exchanges, and by which references they are sender or recipient."""
    repository = await guest.service.seen_by(here.asking.grant, here.asking.base)
    return await writer_of(repository, here.name)


async def people(here: Correspondent, some: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """What the reader is shown of people and organisations, by reference; of a role its person and organisation too."""
    found: dict[str, Mapping[str, Any]] = {}
    left = list(dict.fromkeys(some))
    while left:
        reference = left.pop()
        tree = await here.asking.read(*reference.split("/", 1)) if "/" in reference else None
        if tree is None or reference in found:
            continue
        found[reference] = tree
        if tree["resourceType"] == "PractitionerRole":
            left += [one for name in ("practitioner", "organization") if (one := local(tree.get(name)))]
    return found


async def mailboxes(guest: Guest[Surroundings], here: Correspondent) -> list[tuple[str, str]]:
    """(reference, name) of as whom a professional may write: themself first, then their role and who they act for."""
    mine = (await writer(guest, here)).names
    known = await people(here, mine)
    some = sorted(mine & known.keys(), key=lambda one: (_PLACES.index(one.partition("/")[0]), one))
    # A role that names no organisation is called as who has it.
    by_name = {name: one for one in reversed(some) if (name := called(one, known))}
    return [(one, name) for name, one in reversed(by_name.items())]


#: Civilities and titles as the national directory codes them (NOS TRE_R81, TRE_R11) → as they are written in French.
_TITLES = {"M": "M.", "MME": "Mme", "MLLE": "Mlle", "DR": "Dr", "PR": "Pr"}


def called(reference: str, known: Mapping[str, Mapping[str, Any]]) -> str:
    """The name of a sender or recipient; "" where it is not known to the reader."""
    tree = known.get(reference, {})
    name = tree.get("name")
    if isinstance(name, str):
        return name
    for one in name if isinstance(name, list) else ():
        titles = (_TITLES.get(title, title) for title in one.get("prefix") or ())
        return " ".join([*titles, *(one.get("given") or ())[:1], one.get("family", "")]).strip()
    if tree.get("resourceType") != "PractitionerRole":
        return ""
    both = (called(local(tree.get(name)), known) for name in ("practitioner", "organization"))
    return ", ".join(filter(None, both))
