"""The people the simulators offer, from the data, with the claims that the real providers would give of them.

Pro Santé Connect: https://industriels.esante.gouv.fr/produits-et-services/pro-sante-connect; FranceConnect:
https://docs.partenaires.franceconnect.gouv.fr/fs/fs-technique/fs-technique-scope-fc/.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fhir_server.access.repository import Repository
from fhir_server.fhir.outcome import FhirError
from fhir_server.search.asking.query import Place, condition
from fhir_server.smart.people.matching import (
    BIRTH_GIVEN,
    BIRTH_PLACE,
    ID_NAT_PS,
    INSEE,
    RPPS,
    extension,
)
from fhir_server.store.filters import EVERYTHING, Filter, Id

#: People shown at once.
SHOWN = 20
#: Code systems of what Pro Santé Connect says in the form code^OID: professions, sectors of activity.
PROFESSIONS, SECTORS = "1.2.250.1.71.1.2.7", "1.2.250.1.71.4.2.4"
FRANCE = "99100"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may be chosen.

    Attributes:
        id: "Practitioner/1".
        label: shown.
        claims: what the provider says of them.
    """

    id: str
    label: str
    claims: Mapping[str, Any]


class People:
    """Looks people up in the data, which is invented."""

    def __init__(self, repository: Callable[[], Repository], place: Callable[[], Place]) -> None:
        """`repository` is the server's own sight of the data, `place` where conditions on it are read."""
        self._repository = repository
        self._place = place

    async def of(self, provider: str, asked: str) -> Sequence[Person]:
        """People the provider knows whose name has the words of `asked`; "id:Patient/1" for one."""
        found = [person for type in TYPES[provider] for person in await self._some(type, asked)]
        kept: list[Person] = []
        for person in found:
            # Who acts for two patients is two RelatedPersons, and perhaps a Patient too: still one person.
            if not any(_same(person, one) for one in kept):
                kept.append(person)
        return kept

    async def _some(self, type: str, asked: str) -> list[Person]:
        where = self._where(type, asked)
        if where is None:
            return []
        found = await self._repository().find({type: where}, count=SHOWN)
        made = [await _MAKERS[type](self, msgspec.json.decode(version.body)) for version in found.versions]
        return [person for person in made if person is not None]

    def _where(self, type: str, asked: str) -> Filter | None:
        if asked.startswith("id:"):
            kind, _, id = asked[3:].partition("/")
            return Id((id,)) if kind == type else None
        words = [("name", word.replace(",", " ")) for word in asked.split()]
        try:
            return condition(type, words, self._place()) if words else EVERYTHING
        except FhirError:
            return None

    async def professional(self, tree: dict[str, Any]) -> Person | None:
        """A Practitioner with an RPPS, with their exercises."""
        values = {one.get("system"): str(one.get("value")) for one in tree.get("identifier") or ()}
        rpps = values.get(RPPS) or values.get(ID_NAT_PS, "").removeprefix("8")
        if not rpps or tree.get("active") is False:
            return None
        subject = f"Practitioner/{tree['id']}"
        where = condition("PractitionerRole", [("practitioner", subject)], self._place())
        roles = [
            msgspec.json.decode(version.body)
            for version in (await self._repository().find({"PractitionerRole": where}, count=SHOWN)).versions
        ]
        claims = _professional(tree, f"8{rpps}", [await self._activity(role) for role in roles])
        return Person(subject, f"{claims['given_name']} {claims['family_name']} ({rpps})", claims)

    async def _activity(self, role: dict[str, Any]) -> dict[str, Any]:
        organization = str((role.get("organization") or {}).get("reference") or "").partition("/")[2]
        found = await self._repository().find({"Organization": Id((organization,))}, count=1)
        tree: dict[str, Any] = msgspec.json.decode(found.versions[0].body) if found.versions else {}
        numbers = [str(one.get("value")) for one in tree.get("identifier") or ()]
        return {
            "codeModeExercice": "L",
            "codeSecteurDactivite": _code(tree.get("type")) or "SA07",
            "codeRole": _code(role.get("code")),
            "codeGenreActivite": "GENR01",
            "numeroFinessSite": numbers[0] if numbers else "",
            "identifiantTechniqueDeLaStructure": str(tree.get("id") or ""),
            "raisonSocialeSite": str(tree.get("name") or ""),
            "autoriteDenregistrement": "ARS/CPAM/CNOP",
        }

    async def citizen(self, tree: dict[str, Any]) -> Person | None:
        """A Patient, or a RelatedPerson, as the national directory of identities knows them."""
        claims = _citizen(tree)
        if claims is None or tree.get("active") is False:
            return None
        who = f"{claims['given_name']} {claims['family_name']} ({claims['birthdate']})"
        return Person(f"{tree['resourceType']}/{tree['id']}", who, claims)


#: Provider → types of the people it knows.
TYPES: dict[str, tuple[str, ...]] = {"psc": ("Practitioner",), "franceconnect": ("Patient", "RelatedPerson")}
_MAKERS: dict[str, Callable[[People, dict[str, Any]], Awaitable[Person | None]]] = {
    "Practitioner": People.professional,
    "Patient": People.citizen,
    "RelatedPerson": People.citizen,
}


def _same(person: Person, other: Person) -> bool:
    """Whether two citizens have one identity; where one was born may be unknown of a RelatedPerson."""
    names = ("SubjectNameID", "given_name", "family_name", "birthdate", "gender")
    if any(person.claims.get(name) != other.claims.get(name) for name in names):
        return False
    place = _born(person.claims)
    return not place or place == _born(other.claims)


def _born(claims: Mapping[str, Any]) -> str:
    country = str(claims.get("birthcountry", ""))
    return str(claims.get("birthplace") or (country if country != FRANCE else ""))


def _professional(tree: dict[str, Any], national: str, activities: list[dict[str, Any]]) -> dict[str, Any]:
    name = (tree.get("name") or [{}])[0]
    given, family = " ".join(name.get("given") or ()), str(name.get("family") or "")
    codes = [_code([one.get("code") or {}]) for one in tree.get("qualification") or ()]
    profession = codes[0] if codes else "10"
    first = activities[0] if activities else {}
    return {
        "sub": f"f:00000000-0000-4000-8000-000000000000:{national}",
        "SubjectNameID": national,
        "preferred_username": national,
        "given_name": given,
        "family_name": family,
        "codeCivilite": "MME" if tree.get("gender") == "female" else "M",
        "SubjectRole": [f"{profession}^{PROFESSIONS}"],
        "SubjectOrganization": first.get("raisonSocialeSite", ""),
        "SubjectOrganizationID": first.get("numeroFinessSite", ""),
        "Secteur_Activite": f"{first.get('codeSecteurDactivite', 'SA07')}^{SECTORS}",
        "Palier_Authentification": "APPPRIP3^1.2.250.1.213.1.5.1.1.1",
        "Acces_Regulation_Medicale": "FAUX",
        "Mode_Acces_Raison": "",
        "PSI_Locale": "1.2.250.1.213.1.3.1.1",
        "UITVersion": "1.0",
        "otherIds": [{"identifiant": national, "origine": "RPPS", "qualite": 1}],
        "SubjectRefPro": {
            "codeCivilite": "MME" if tree.get("gender") == "female" else "M",
            "exercices": [
                {
                    "codeProfession": profession,
                    "codeCategorieProfessionnelle": "C",
                    "nomDexercice": family,
                    "prenomDexercice": given,
                    "codeTypeSavoirFaire": "",
                    "codeSavoirFaire": "",
                    "activities": activities,
                }
            ],
        },
    }


def _citizen(tree: dict[str, Any]) -> dict[str, Any] | None:
    names = tree.get("name") or []
    name = next((one for one in names if one.get("use") == "official"), names[0] if names else {})
    given = extension(name, BIRTH_GIVEN).get("valueString") or " ".join(name.get("given") or ())
    family, born = name.get("family"), tree.get("birthDate")
    if not given or not family or not born:
        return None
    address = extension(tree, BIRTH_PLACE).get("valueAddress") or {}
    code = str((extension(address, INSEE).get("valueCoding") or {}).get("code") or "")
    abroad = code.startswith("99")
    claims = {
        "given_name": given,
        "family_name": family,
        "birthdate": born,
        "gender": tree.get("gender") or "female",
        "birthplace": "" if abroad else code,
        "birthcountry": code if abroad else FRANCE,
        "email": "personne@example.org",
    }
    # FranceConnect's sub differs per service and stays the same for a person: so does a digest of who they are.
    text = "\n".join(str(value) for value in claims.values())
    return {"sub": hashlib.sha256(text.encode()).hexdigest() + "v1", **claims}


def _code(concepts: Any) -> str:
    for concept in concepts or ():
        for coding in concept.get("coding") or ():
            if coding.get("code"):
                return str(coding["code"])
    return ""
