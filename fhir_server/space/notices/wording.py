"""A message as it is written to somebody, of words of the table alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fhir_server.jobs.outbox import Channel
from fhir_server.space.notices.occasions import OCCASIONS, Language, Occasion, Words

#: Subject and sentence of one message about several things.
_SEVERAL: dict[Language, Words] = {
    "fr": ("Des nouvelles de votre espace santé", "Depuis notre dernier message :"),
    "en": ("News of your health space", "Since our last message:"),
}
_WORDS: dict[Language, dict[str, str]] = {
    "fr": {
        "hello": "Bonjour,",
        "choose": "Choisir ce qui vous est signalé :",
        "end": "Ne plus recevoir ces messages :",
        "stop": "STOP :",
    },
    "en": {
        "hello": "Hello,",
        "choose": "Choose what you are told of:",
        "end": "Receive these messages no more:",
        "stop": "STOP:",
    },
}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Of pages that a message leads to.

    Attributes:
        root: of the site, such as "https://sante.example".
        centre: of all notices.
        way_out: ends such messages; "" where the law has them sent.
    """

    root: str
    centre: str
    way_out: str


def words(occasion: Occasion, acts: bool, language: Language) -> Words:
    """Subject and sentence of an occasion, to the holder or to who `acts` for them."""
    said = occasion.ward if acts and occasion.ward is not None else occasion.own
    return said[language]


def written(told: Sequence[tuple[str, bool]], language: Language, channel: Channel, to: Addresses) -> Words:
    """Subject and text of one message.

    Args:
        told: (occasion, whether the person acts for whom it is about), the earliest first; at least one.
        language: of the person.
        channel: what it is sent by.
        to: where it leads.
    """
    said = list(dict.fromkeys((name, words(OCCASIONS[name], acts, language)) for name, acts in told))
    if len(said) == 1:
        name, (subject, sentence) = said[0]
        path = OCCASIONS[name].path
        link = f"{to.root}{path}" if path else ""
    else:
        subject, opening = _SEVERAL[language]
        sentence = "\n".join([opening, *(f"- {one}" for _, (one, _) in said)])
        link = to.centre
    return subject, (_sms if channel == "sms" else _email)(subject, sentence, link, language, to)


def _sms(subject: str, _: str, link: str, language: Language, to: Addresses) -> str:
    end = f" {_WORDS[language]['stop']} {to.way_out}" if to.way_out else ""
    return f"{subject}. {link or to.centre}{end}"


def _email(_: str, sentence: str, link: str, language: Language, to: Addresses) -> str:
    said = _WORDS[language]
    end = [f"{said['end']} {to.way_out}"] if to.way_out else []
    body = [sentence, *([link] if link else [])]
    return "\n".join([said["hello"], "", *body, "", "-- ", f"{said['choose']} {to.centre}", *end, ""])
