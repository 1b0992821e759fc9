"""What an app's file is asked and verified against: the questionnaire and the criteria, read from `profiles/ens`.

CSP R1111-38 and the order of 23 June 2022: interoperability, security and ethics, and more when data are exchanged.
Both are data (`Questionnaire-ens-referencing.json`, `CodeSystem-ens-criterion.json`): a new row is asked of the next
file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from fhir_server.space.catalogue.dossiers import CRITERIA, QUESTIONNAIRE
from fhir_server.validation.shipped import of


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion.

    Attributes:
        code: "INT-01".
        text: in French.
        group: heading it stands under, in French: "Interopérabilité", "Sécurité"…
        exchanging: whether only apps that exchange data are held to it.
    """

    code: str
    text: str
    group: str
    exchanging: bool


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the file.

    Attributes:
        link: its linkId.
        text: in French.
        group: heading it stands under.
        kind: of answer: "string", "text", "boolean", "choice", "url".
        required: whether a file without an answer is refused.
        exchanging: whether only apps that exchange data are asked.
        options: (code, words) of a choice.
    """

    link: str
    text: str
    group: str
    kind: str
    required: bool
    exchanging: bool
    options: tuple[tuple[str, str], ...] = ()


def criteria(exchanges: bool) -> tuple[Criterion, ...]:
    """The criteria that an app is held to, in order."""
    return tuple(one for one in _criteria() if exchanges or not one.exchanging)


def questions(exchanges: bool) -> tuple[Question, ...]:
    """What a publisher is asked about an app, in order."""
    return tuple(one for one in _questions() if exchanges or not one.exchanging)


@cache
def _criteria() -> tuple[Criterion, ...]:
    tree = of(CRITERIA, "CodeSystem") or {}
    return tuple(
        Criterion(one["code"], one["display"], parts.get("group", ""), parts.get("exchanging", False))
        for one in tree.get("concept", ())
        for parts in [_properties(one)]
    )


def _properties(concept: Mapping[str, Any]) -> dict[str, Any]:
    return {
        one["code"]: next(value for key, value in one.items() if key.startswith("value"))
        for one in concept.get("property", ())
    }


@cache
def _questions() -> tuple[Question, ...]:
    tree = of(QUESTIONNAIRE, "Questionnaire") or {}
    return tuple(
        Question(
            link=item["linkId"],
            text=item["text"],
            group=group["text"],
            kind=item["type"],
            required=item.get("required", False),
            exchanging=any(code.get("code") == "exchanging" for code in item.get("code", ())),
            options=tuple(
                (option["valueCoding"]["code"], option["valueCoding"]["display"])
                for option in item.get("answerOption", ())
            ),
        )
        for group in tree.get("item", ())
        for item in group.get("item", ())
    )
