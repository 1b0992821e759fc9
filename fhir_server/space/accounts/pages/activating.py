"""With the code they were sent somebody activates their space, or objects to it and takes the proof with them.

CSP R1111-28, R1111-29. Nobody is signed in: who they are is proven by INS, date of birth and code together, and then
kept for some minutes under a key that only the page knows. Attempts are limited by address and by INS, and whatever is
wrong is answered alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from fastapi.responses import Response

from fhir_server.access.grant import Grant, Scope
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError
from fhir_server.site.visit import Form, Visit, first
from fhir_server.smart.people.accounts import Account
from fhir_server.smart.people.credentials import LONGEST, SHORTEST
from fhir_server.smart.secret import digest, made
from fhir_server.space.accounts import codes, moving
from fhir_server.space.accounts.codes import Claimed
from fhir_server.space.accounts.life import Life
from fhir_server.space.accounts.moving import Found
from fhir_server.space.accounts.pages.deciding import moved
from fhir_server.space.accounts.states import Event
from fhir_server.space.accounts.terms import TERMS
from fhir_server.space.names import name_of
from fhir_server.space.national_identity import ins_of
from fhir_server.space.notices.reach import reach
from fhir_server.space.paris import PARIS
from fhir_server.space.pdfa import page
from fhir_server.space.record import choosing
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.service import Surroundings

#: Kind of the records: key = digest of what the page knows, value = `_Proven`; kept so many seconds.
_PROOF, _KEPT = "space-proof", 900
_SHORTEST_LOGIN = 3
_DECISIONS: dict[str, Event] = {"oppose": "oppose", "withdraw": "withdraw-opposition"}


@dataclass(frozen=True, slots=True)
class _Proven:
    """Somebody who proved who they are: id of their Patient, and the secret of the second factor they may add."""

    patient: str
    totp: str


async def show(visit: Visit, around: Surroundings) -> Response:
    """What is asked for: INS, date of birth, code."""
    return visit.page("accounts/activating", {"error": "", "ins": "", "born": ""})


async def prove(visit: Visit, around: Surroundings) -> Response:
    """Who they are, and then what they may do."""
    given = await visit.posted()
    if given is None:
        return visit.foreign()
    ins, born = first(given, "ins", 40).strip(), first(given, "born", 20).strip()
    people = visit.authorization.people
    if not await people.may_try(visit.source):
        return visit.page("accounts/activating", {"error": "locked", "ins": "", "born": ""}, status=429)
    claimed = Claimed(ins, born, first(given, "code", 40), visit.source)
    patient = await codes.holder(around.records, around.repository(), claimed)
    if patient is None:
        return visit.page("accounts/activating", {"error": "wrong", "ins": ins, "born": born}, status=403)
    await people.did_right(visit.source)
    import pyotp

    key, proven = made(), _Proven(patient, pyotp.random_base32())
    await around.records.put(_PROOF, digest(key), msgspec.json.encode(proven), _KEPT)
    return await _choices(visit, around, key, proven)


async def activate(visit: Visit, around: Surroundings) -> Response:
    """Their account: a login, a password, a second factor, and the terms accepted."""
    given = await visit.posted()
    key = first(given, "key") if given is not None else ""
    proven = await _proven(around, key)
    if given is None or proven is None:
        return visit.foreign()
    login = first(given, "login", 200).strip()
    if not await _may_activate(around, proven.patient):
        # Of a space that was objected to, suspended or activated otherwise a code makes no account.
        return visit.page("accounts/decided", {"what": "activate", "refused": True, "key": ""}, status=422)
    wrong = await _wrong(visit, given, proven)
    account = None if wrong else await _admitted(visit, around, proven, given)
    if account is None:
        return await _choices(visit, around, key, proven, wrong or {"login": "taken"}, login)
    await around.records.take(_PROOF, digest(key))
    refused = await _moved(visit, around, proven.patient, "activate", f"terms {TERMS}")
    if refused:
        # Others decided in that moment: nobody is let in to what was not activated.
        await visit.authorization.accounts.close(account.id)
    status = 422 if refused else 200
    return visit.page("accounts/decided", {"what": "activate", "refused": refused, "key": ""}, status=status)


async def _may_activate(around: Surroundings, patient: str) -> bool:
    (space,) = await moving.found(around.repository(), [patient])
    return space is not None and "activate" in _may(space)


def _may(space: Found) -> tuple[Event, ...]:
    """What may be decided with a code: an account of their own is for whoever is of age."""
    minor = choosing.is_minor(str(space.tree.get("birthDate", "")))
    return tuple(one for one in space.may("holder") if not (minor and one == "activate"))


async def _wrong(visit: Visit, given: Form, proven: _Proven) -> dict[str, str]:
    """Field → what is wrong with it."""
    chosen, login = first(given, "password", LONGEST + 1), first(given, "login", 200).strip()
    taken = await visit.authorization.accounts.by_login(login) is not None
    found = {
        "login": "short" if len(login) < _SHORTEST_LOGIN else "taken" if taken else "",
        "password": "" if SHORTEST <= len(chosen) <= LONGEST else "weak",
        "again": "other" if first(given, "again", LONGEST + 1) != chosen else "",
        "terms": "needed" if first(given, "terms") != TERMS else "",
    }
    if not any(found.values()):
        # Looked at last: a code is taken once.
        code = first(given, "second", 20).replace(" ", "")
        right = await visit.authorization.people.second_factor(proven.patient, proven.totp, code)
        found["second"] = "" if right else "wrong"
    return {name: what for name, what in found.items() if what}


async def _admitted(visit: Visit, around: Surroundings, proven: _Proven, given: Form) -> Account | None:
    """The account, made; None where its login was taken, or somebody used the code meanwhile."""
    name = await _name(around, proven.patient)
    login = first(given, "login", 200).strip()
    account = Account(made(), login, name, f"Patient/{proven.patient}", totp=proven.totp)
    free, _ = await visit.authorization.people.admit(account, first(given, "password", LONGEST + 1))
    if free and not await codes.used(around.records, proven.patient):
        await visit.authorization.accounts.close(account.id)
        return None
    return account if free else None


async def decide(visit: Visit, around: Surroundings) -> Response:
    """They object, or take that back."""
    given = await visit.posted()
    key = first(given, "key") if given is not None else ""
    proven = await _proven(around, key)
    event = _DECISIONS.get(first(given, "what") if given is not None else "")
    if given is None or proven is None or event is None:
        return visit.foreign()
    refused = await _moved(visit, around, proven.patient, event)
    return visit.page("accounts/decided", {"what": event, "refused": refused, "key": key})


async def proof(visit: Visit, around: Surroundings) -> Response:
    """The proof that somebody objected, as a PDF."""
    given = await visit.posted()
    proven = await _proven(around, first(given, "key") if given is not None else "")
    if proven is None:
        return visit.foreign()
    (space,) = await moving.found(around.repository(), [proven.patient])
    if space is None or space.life is None or space.life.state != "opposed":
        return visit.foreign()
    headers = {"Content-Disposition": 'attachment; filename="opposition.pdf"', "Cache-Control": "no-store"}
    return visit.known(Response(_paper(space.tree, space.life), media_type="application/pdf", headers=headers))


async def _proven(around: Surroundings, key: str) -> _Proven | None:
    kept = await around.records.get(_PROOF, digest(key)) if key else None
    return None if kept is None else msgspec.json.decode(kept, type=_Proven)


async def _moved(visit: Visit, around: Surroundings, patient: str, event: Event, reason: str = "") -> bool:
    """Have it happen, as the holder's own software would; whether it was refused, since others decided meanwhile."""
    grant = Grant((Scope("patient", "*", frozenset("cruds")),), subject=f"Patient/{patient}", patient=patient)
    try:
        await moved(Asking(around, grant, visit.addresses.base), event, reason)
    except FhirError:
        return True
    return False


async def _choices(
    visit: Visit,
    around: Surroundings,
    key: str,
    proven: _Proven,
    wrong: dict[str, str] | None = None,
    login: str | None = None,
) -> Response:
    (space,) = await moving.found(around.repository(), [proven.patient])
    if space is None:
        return visit.foreign()
    import pyotp

    tree = space.tree
    shown = reach(tree, datetime.now(UTC)).email if login is None else login
    secret = proven.totp
    values: dict[str, Any] = {
        "key": key,
        "name": await _name(around, proven.patient),
        "may": _may(space),
        "minor": choosing.is_minor(str(tree.get("birthDate", ""))),
        "state": space.state,
        "wrong": wrong or {},
        "login": shown,
        "terms": TERMS,
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "uri": pyotp.TOTP(secret).provisioning_uri(name=shown or "espace", issuer_name="Espace santé"),
        "opens": space.life.next if space.life is not None else None,
    }
    return visit.page("accounts/choosing", values, status=400 if wrong else 200)


async def _name(around: Surroundings, patient: str) -> str:
    version = await around.repository().current("Patient", patient)
    return name_of(parse(version.body), given=1) if version is not None else ""


def _paper(tree: dict[str, Any], life: Life) -> bytes:
    ins = [str(one["value"]) for one in ins_of(tree)]
    at = life.at.astimezone(PARIS)
    lines = [
        f"Titulaire : {name_of(tree, given=1)}",
        f"Matricule INS : {ins[0] if ins else ''}",
        f"Date de naissance : {tree.get('birthDate', '')}",
        "",
        f"S’est opposé(e) à l’ouverture de son espace santé le {at:%d/%m/%Y} à {at:%H:%M} (heure de Paris).",
        "Aucun motif n’est demandé. Aucun espace ne sera ouvert tant que cette opposition n’est pas retirée ;",
        "elle peut l’être à tout moment.",
        "",
        "Code de la santé publique, article R1111-28.",
    ]
    return page("Preuve d’opposition à l’ouverture de l’espace santé", lines)
