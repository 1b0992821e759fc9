"""Words of this server for codes that it writes itself, in French and in English: what a traveller's doctor reads.

All else of a record stays in the language in which it was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_server.space.profile.assertions import ABSENT
from fhir_server.space.profile.writing.kinds import HABITS, RELATIVES, VACCINES
from fhir_server.space.record.pages.measured import MEASURES

Words = tuple[str, str]
#: Status of a resource → words.
STATUSES: Mapping[str, Words] = {
    "amended": ("modifié", "amended"),
    "cancelled": ("annulé", "cancelled"),
    "differential": ("diagnostic possible", "differential"),
    "draft": ("brouillon", "draft"),
    "in-progress": ("en cours", "in progress"),
    "inactive": ("terminé", "inactive"),
    "intended": ("prévu", "intended"),
    "not-done": ("non fait", "not done"),
    "not-taken": ("non pris", "not taken"),
    "on-hold": ("suspendu", "on hold"),
    "partial": ("incomplet", "partial"),
    "preliminary": ("provisoire", "preliminary"),
    "provisional": ("provisoire", "provisional"),
    "recurrence": ("récidive", "recurrence"),
    "refuted": ("écarté", "refuted"),
    "relapse": ("rechute", "relapse"),
    "remission": ("en rémission", "remission"),
    "resolved": ("guéri ou terminé", "resolved"),
    "stopped": ("arrêté", "stopped"),
    "unconfirmed": ("déclaré, non confirmé", "unconfirmed"),
    "unknown": ("non précisé", "unknown"),
}
_PARTS = {code: words for measure in MEASURES.values() for code, words in measure.parts}
#: Code, of any of the systems of these tables, which share none → words.
_CODES: Mapping[str, Words] = {
    **{code: measure.words for code, measure in MEASURES.items()},
    **_PARTS,
    **HABITS,
    **dict(RELATIVES),
    **VACCINES,
}


def status(code: str, language: str) -> str:
    """What a status is called in "fr" or "en"; the code itself where there are no words."""
    return STATUSES.get(code, (code, code))[language == "en"]


def english(concept: Mapping[str, Any]) -> str:
    """What a concept is called in English, where a code of it is one of this server's tables; "" where none is."""
    codings = [one for one in concept.get("coding", ()) if isinstance(one, dict)]
    none = next((str(one["code"]) for one in codings if one.get("system") == ABSENT and "code" in one), "")
    if none:
        return none.replace("-", " ").capitalize()
    return next((_CODES[one["code"]][1] for one in codings if one.get("code") in _CODES), "")
