"""People are told of their space: by e-mail where there is an address, else by a letter that is printed.

CSP R1111-28: what the space is, that it opens after six weeks, how to object, and a provisional code. Nothing of
anybody's health is in it. A letter is a file of a folder, for whoever prints and posts them; it is named by a number.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

from fhir_server.access.repository import Repository
from fhir_server.access.trees import referred
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Invalid
from fhir_server.jobs.outbox import Notice, Outbox
from fhir_server.smart.people.accounts import Accounts
from fhir_server.smart.secret import made
from fhir_server.space.accounts import codes, moving
from fhir_server.space.accounts.life import Life
from fhir_server.space.accounts.moving import Asked, Found
from fhir_server.space.names import name_of
from fhir_server.space.notices.occasions import Language
from fhir_server.space.notices.reach import reach
from fhir_server.space.paris import PARIS
from fhir_server.space.pdfa import page
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import Token
from fhir_server.store.protocol import Position

_PAGE = 200
#: Language → subject, and lines; {} are the code, the address of the page, and the day on which it opens.
_WORDS: dict[Language, tuple[str, tuple[str, ...]]] = {
    "fr": (
        "Votre espace santé",
        (
            "Bonjour,",
            "",
            "Un espace santé va être ouvert pour vous : un carnet de santé en ligne.",
            "Vous décidez de ce qui y est partagé, et avec qui.",
            "Il s’ouvrira le {day}, sauf si vous vous y opposez avant.",
            "",
            "Pour l’activer, ou pour vous y opposer :",
            "{page}",
            "",
            "Votre code provisoire, valable une fois : {code}",
            "Il vous sera aussi demandé votre matricule INS et votre date de naissance.",
            "",
            "Vous pourrez fermer cet espace à tout moment. Personne ne vous demandera ce code par téléphone.",
        ),
    ),
    "en": (
        "Your health space",
        (
            "Hello,",
            "",
            "A health space will be opened for you: a health record on line.",
            "You decide what is shared in it, and with whom.",
            "It opens on {day}, unless you object before.",
            "",
            "To activate it, or to object:",
            "{page}",
            "",
            "Your provisional code, to be used once: {code}",
            "You will also be asked for your INS number and your date of birth.",
            "",
            "You may close this space at any time. Nobody will ask you for this code on the telephone.",
        ),
    ),
}
#: Language → subject, and lines, for who comes of age; {} are the code and the address of the page.
_OF_AGE: dict[Language, tuple[str, tuple[str, ...]]] = {
    "fr": (
        "Vous êtes majeur(e) : votre espace santé est à vous",
        (
            "Bonjour,",
            "",
            "Vous avez dix-huit ans. Votre espace santé n’est plus accessible à vos représentants légaux :",
            "vous seul(e) décidez maintenant de ce qui y est partagé, et avec qui.",
            "Ce que contient votre dossier est conservé. Les applications que vos représentants avaient autorisées",
            "n’y lisent plus rien, jusqu’à ce que vous les autorisiez vous-même.",
            "",
            "Pour l’activer, ou pour vous y opposer :",
            "{page}",
            "",
            "Votre code provisoire, valable une fois : {code}",
            "Il vous sera aussi demandé votre matricule INS et votre date de naissance.",
            "",
            "Personne ne vous demandera ce code par téléphone.",
        ),
    ),
    "en": (
        "You are of age: your health space is yours",
        (
            "Hello,",
            "",
            "You are eighteen. Your legal representatives see your health space no more:",
            "you alone decide now what is shared in it, and with whom.",
            "What your record holds is kept. The apps that your representatives had let in read nothing of it",
            "until you let them in yourself.",
            "",
            "To activate it, or to object:",
            "{page}",
            "",
            "Your provisional code, to be used once: {code}",
            "You will also be asked for your INS number and your date of birth.",
            "",
            "Nobody will ask you for this code on the telephone.",
        ),
    ),
}
#: Language → event → what was recorded, in words.
_RECORDED: dict[Language, dict[str, str]] = {
    "fr": {
        "oppose": "que vous vous opposez à l’ouverture de votre espace santé",
        "withdraw-opposition": "que vous retirez votre opposition : votre espace santé est ouvert",
    },
    "en": {
        "oppose": "that you object to the opening of your health space",
        "withdraw-opposition": "that you withdraw your objection: your health space is open",
    },
}
#: Language → subject, and lines, for whom a professional recorded something; {} are who, what, when, code and page.
_BY_PROFESSIONAL: dict[Language, tuple[str, tuple[str, ...]]] = {
    "fr": (
        "Votre espace santé : enregistré à votre demande",
        (
            "Bonjour,",
            "",
            "Le {day}, {who}, professionnel de santé, a enregistré à votre demande",
            "{said}.",
            "",
            "Si vous ne l’avez pas demandé, ou si vous changez d’avis :",
            "{page}",
            "",
            "Votre code provisoire, valable une fois : {code}",
            "Il vous sera aussi demandé votre matricule INS et votre date de naissance.",
        ),
    ),
    "en": (
        "Your health space: recorded at your request",
        (
            "Hello,",
            "",
            "On {day}, {who}, a health professional, recorded at your request",
            "{said}.",
            "",
            "If you did not ask for it, or change your mind:",
            "{page}",
            "",
            "Your provisional code, to be used once: {code}",
            "You will also be asked for your INS number and your date of birth.",
        ),
    ),
}
#: Language → event → subject, and what has become of the space; {} is the last day of what it holds.
_LEAVING: dict[Language, dict[str, tuple[str, tuple[str, ...]]]] = {
    "fr": {
        "ask-deletion": (
            "Votre espace santé : suppression demandée",
            (
                "la suppression de votre espace santé a été demandée. Tout y sera effacé le {day}.",
                "Jusque-là, vous pouvez annuler cette demande, rouvrir l’espace, ou télécharger vos données.",
            ),
        ),
        "cancel-deletion": (
            "Votre espace santé : suppression annulée",
            ("la demande de suppression de votre espace santé a été annulée. Il reste fermé, et conservé.",),
        ),
    },
    "en": {
        "ask-deletion": (
            "Your health space: deletion asked for",
            (
                "it was asked that your health space be deleted. All in it will be erased on {day}.",
                "Until then you can cancel this, open the space again, or download your data.",
            ),
        ),
        "cancel-deletion": (
            "Your health space: deletion cancelled",
            ("the deletion of your health space was cancelled. It stays closed, and is kept.",),
        ),
    },
}
#: Language → how it begins, and what follows; {} are when, and the address of the page.
_LEFT: dict[Language, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "fr": (("Bonjour,", "", "Le {at},"), ("", "Si ce n’est pas vous, ou si vous changez d’avis :", "{page}")),
    "en": (("Hello,", "", "On {at},"), ("", "If it was not you, or if you change your mind:", "{page}")),
}


class Informing:
    """Tells people of their spaces, of one opened server."""

    def __init__(self, around: Surroundings, letters: Path) -> None:
        """`letters` is the folder in which letters are put that go by post."""
        self._around = around
        self._letters = letters

    async def all(self, now: datetime) -> int:
        """Tell everybody whose space is not open and who was not told yet; how many were told."""
        told = 0
        async for patient in self._not_told():
            told += await self.tell(patient, now)
        return told

    async def tell(self, patient: str, now: datetime) -> bool:
        """Tell one person (id of their Patient) of their space, or send them a new code where they were told.

        Raises:
            NotFound: there is no such Patient.
            Invalid: their space is open, or they objected.
        """
        own = self._around.repository()
        life = await self._informed(own, patient, now)
        version = await own.current("Patient", patient)
        if version is None or life is None or life.next is None:
            return False
        tree = parse(version.body)
        code, kept = codes.change(patient)
        to = reach(tree, now)
        day = f"{life.next:%d/%m/%Y}" if to.language == "fr" else f"{life.next:%d %B %Y}"
        subject, rows = _WORDS[to.language]
        lines = [row.format(code=code, day=day, page=self._around.address("/activer")) for row in rows]
        if to.email:
            notice = Notice(f"space/{patient}/{kept.value.decode()}", to.email, subject, "\n".join(lines))
            return await self._around.records.apply([kept, *Outbox.kept(notice)])
        # The letter first: a code that nobody was sent is of no use, and one that is sent again makes the first void.
        await asyncio.to_thread(self._post, subject, [*_address(tree), "", *lines])
        return await self._around.records.apply([kept])

    async def of_age(self, patient: str, now: datetime) -> bool:
        """Send who has come of age (id of their Patient) a code for their own space, by post; whether one was sent.

        Not by e-mail: the address is the one that their representatives gave. Nobody who has an account is sent one,
        nor whose space is closed.
        """
        own = self._around.repository()
        (space,) = await moving.found(own, [patient])
        account = await Accounts(self._around.records).of_subject(f"Patient/{patient}")
        if space is None or space.state not in ("informed", "opposed", "open") or account is not None:
            return False
        code, kept = codes.change(patient)
        subject, rows = _OF_AGE[reach(space.tree, now).language]
        lines = [row.format(code=code, page=self._around.address("/activer")) for row in rows]
        await asyncio.to_thread(self._post, subject, [*_address(space.tree), "", *lines])
        return await self._around.records.apply([kept])

    async def by_professional(self, life: Life) -> None:
        """Write to somebody, by post, what a professional recorded for them, with a code by which to take it back."""
        own = self._around.repository()
        version = await own.current("Patient", life.patient)
        if version is None or version.deleted or life.event not in _RECORDED["fr"]:
            return
        tree = parse(version.body)
        code, kept = codes.change(life.patient)
        language = reach(tree, life.at).language
        who = name_of(await referred(own, life.performer), given=1)
        subject, rows = _BY_PROFESSIONAL[language]
        said = _RECORDED[language][life.event]
        day = f"{life.at.astimezone(PARIS):%d/%m/%Y}"
        page_of = self._around.address("/activer")
        lines = [row.format(code=code, day=day, page=page_of, who=who, said=said) for row in rows]
        await asyncio.to_thread(self._post, subject, [*_address(tree), "", *lines])
        await self._around.records.apply([kept])

    async def of_deletion(self, life: Life) -> bool:
        """Write to whose space is closed that its deletion was asked for, or is not any more; whether it is of that.

        Notices tell nobody of a closed space: this says nothing of what is in it, and goes to the address that is left.
        """
        version = await self._around.repository().current("Patient", life.patient)
        if version is None or version.deleted or life.role != "holder" or life.event not in _LEAVING["fr"]:
            return False
        tree = parse(version.body)
        to = reach(tree, life.at)
        subject, said = _LEAVING[to.language][life.event]
        before, after = _LEFT[to.language]
        days = {name: f"{at.astimezone(PARIS):%d/%m/%Y}" for name, at in (("at", life.at), ("day", life.next)) if at}
        lines = [row.format(page=self._around.address("/mon-compte"), **days) for row in (*before, *said, *after)]
        if to.email:
            notice = Notice(
                f"space Patient/{life.patient} {life.event} {life.at.isoformat()}", to.email, subject, "\n".join(lines)
            )
            return await self._around.records.apply([*Outbox.kept(notice)])
        await asyncio.to_thread(self._post, subject, [*_address(tree), "", *lines])
        return True

    async def _informed(self, own: Repository, patient: str, now: datetime) -> Life | None:
        try:
            return await moving.move(own, patient, Asked("inform", "operator", now))
        except Invalid:
            (space,) = await moving.found(own, [patient])
            if space is None or space.state != "informed":
                raise
            return space.life

    async def _not_told(self) -> AsyncIterator[str]:
        own = self._around.repository()
        after: Position | None = None
        while True:
            versions = await own.find({"Patient": Token("active", "false")}, after=after, count=_PAGE)
            spaces = await moving.found(own, [one.id for one in versions.versions])
            for space in spaces:
                if space is not None and await self._awaits(space):
                    yield space.patient.id
            after = versions.next
            if after is None:
                return

    async def _awaits(self, space: Found) -> bool:
        """Whether somebody was not told, or a process died before it sent them their code."""
        if space.untold:
            return True
        return space.state == "informed" and await self._around.records.get(codes.CODE, space.patient.id) is None

    def _post(self, subject: str, lines: list[str]) -> None:
        self._letters.mkdir(parents=True, exist_ok=True)
        # Whole or not there: who prints them looks at any time.
        name, part = self._letters / f"{made()[:24]}.pdf", self._letters / f".{made()[:24]}"
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(page(subject, lines))
            file.flush()
            os.fsync(file.fileno())
        part.rename(name)


def _address(tree: dict[str, object]) -> list[str]:
    """Who the letter is for, and where they live, as it is written on an envelope."""
    addresses = tree.get("address")
    place = addresses[0] if isinstance(addresses, list) and addresses else {}
    town = f"{place.get('postalCode', '')} {place.get('city', '')}".strip()
    return [name_of(tree), *map(str, place.get("line", ())), town]
