"""What a file lacks before anybody verifies it: told to its publisher all at once.

CSP R1111-38: a questionnaire, an impact assessment, and for each category of data a justification and a retention.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from fhir_server.access import scopes
from fhir_server.fhir.outcome import Issue
from fhir_server.space.catalogue.apps import CATEGORIES, App, Purpose
from fhir_server.space.catalogue.criteria import Criterion, questions
from fhir_server.space.catalogue.dossiers import Dossier, Result
from fhir_server.validation.shipped import of

#: Longest text of any answer, reason or comment, in characters.
LONGEST = 4000
#: Purposes of one app.
MOST_PURPOSES = 20
_CODE = re.compile(r"[a-z0-9][a-z0-9\-]{1,62}")
_LETTERS = {"read": frozenset("rs"), "write": frozenset("cud")}
#: Levels of scopes that an app of each audience may ask for.
_LEVELS = {"patient": {"patient"}, "professional": {"patient", "user", "system"}}


def lacking(dossier: Dossier, current: App | None) -> list[Issue]:
    """Each thing that is missing or wrong, in words; [] for a file that can be verified.

    Args:
        dossier: as filed.
        current: the app as it is referenced now; None when it never was.
    """
    app = dossier.proposed
    found = [*_card(app), *_answers(app, dossier.answers)]
    if current is not None and current.version == app.version:
        found.append(_issue("app.version", "A new file is for a new version of the app."))
    if not app.exchanges:
        return found + ([_issue("app.purpose", "An app that exchanges no data has no purposes.")] * bool(app.purposes))
    return [*found, *_assessment(dossier.dpia), *_purposes(app)]


def unverified(results: Mapping[str, Result], asked: tuple[Criterion, ...], passing: bool) -> list[Issue]:
    """What is wrong with the results of a verification.

    Args:
        results: by criterion.
        asked: the criteria that the app is held to.
        passing: whether the file is to pass: every criterion is answered, and none is not met.
    """
    codes = {one.code for one in asked}
    found = [_issue("criterion", f"{code[:20]} is no criterion of this app.") for code in results if code not in codes]
    for code, result in results.items():
        if result.verdict != "met" and not result.comment.strip():
            found.append(_issue("criterion", f"{code[:20]} needs a comment: it is not met, or does not apply."))
        if len(result.comment) > LONGEST:
            found.append(_issue("criterion", f"The comment on {code[:20]} is too long."))
    if passing:
        found += [_issue("criterion", f"{one.code} has no result.") for one in asked if one.code not in results]
        unmet = [code for code, result in results.items() if result.verdict == "not-met"]
        found += [_issue("criterion", f"{code[:20]} is not met: return the file to its publisher.") for code in unmet]
    return found


def _card(app: App) -> Iterator[Issue]:
    for name in ("name", "version", "description", "client"):
        if not 0 < len(str(getattr(app, name)).strip()) <= LONGEST:
            yield _issue(f"app.{name}", f"The app has no {name}, or too long a one.")
    for name in ("url", "privacy_url"):
        if not _is_https(getattr(app, name)):
            yield _issue(f"app.{name}", f"The app's {name.replace('_', ' ')} is an https address.")
    if app.launch_uri and not _is_https(app.launch_uri):
        yield _issue("app.launch_uri", "The address that opens the app is an https address.")
    if not app.categories or not set(app.categories) <= categories().keys():
        yield _issue("app.category", "The app has at least one category of the catalogue, and no other.")


def _answers(app: App, answers: Mapping[str, str]) -> Iterator[Issue]:
    asked = {one.link: one for one in questions(app.exchanges)}
    for link, question in asked.items():
        answer = answers.get(link, "").strip()
        if question.required and not answer:
            yield _issue(f"answers.{link}", f"« {question.text} » is not answered.")
        elif len(answer) > LONGEST:
            yield _issue(f"answers.{link}", f"The answer to « {question.text} » is too long.")
        elif answer and question.options and answer not in dict(question.options):
            yield _issue(f"answers.{link}", f"The answer to « {question.text} » is none of its options.")
        elif answer and question.kind == "boolean" and answer not in ("true", "false"):
            yield _issue(f"answers.{link}", f"The answer to « {question.text} » is true or false.")
    if answers.get("secondary-use") == "true" and app.exchanges:
        yield _issue("answers.secondary-use", "Data of the space serve the declared purposes only.")


def _assessment(dpia: Mapping[str, Any] | None) -> Iterator[Issue]:
    if not dpia or not dpia.get("title") or not (dpia.get("data") or dpia.get("hash")):
        yield _issue("dpia", "The impact assessment is needed: its title, and its data or their hash.")


def _purposes(app: App) -> Iterator[Issue]:
    if not 0 < len(app.purposes) <= MOST_PURPOSES:
        yield _issue("app.purpose", f"An app that exchanges data has 1 to {MOST_PURPOSES} purposes.")
    if len({one.code for one in app.purposes}) != len(app.purposes):
        yield _issue("app.purpose", "Each purpose has a code of its own.")
    for n, purpose in enumerate(app.purposes[:MOST_PURPOSES]):
        for words in (*_said(purpose), *_scopes(app, purpose)):
            yield _issue(f"app.purpose[{n}]", words)


def _said(purpose: Purpose) -> Iterator[str]:
    if not _CODE.fullmatch(purpose.code):
        yield "The code of a purpose is small letters, digits and hyphens."
    for name in ("label", "justification", "retention"):
        if not 0 < len(getattr(purpose, name).strip()) <= LONGEST:
            yield f"The purpose has no {name}, or too long a one."
    if not purpose.actions:
        yield "The purpose reads, writes, or both."


def _scopes(app: App, purpose: Purpose) -> Iterator[str]:
    if not 0 < len(purpose.scopes) <= 50:
        yield "The purpose expands to 1 to 50 scopes."
    letters = frozenset[str]().union(*(_LETTERS[action] for action in purpose.actions))
    for text in purpose.scopes[:50]:
        found = scopes.read(text)
        if found is None:
            yield f"{text[:100]} is no SMART scope about resources."
        elif found.type == "*":
            yield f"{text[:100]} speaks of every type: name those that the purpose needs."
        elif found.level not in _LEVELS[app.audience]:
            yield f"{text[:100]} is at a level that an app for this audience does not get."
        elif not found.verbs <= letters:
            yield f"{text[:100]} does more than the purpose's actions."


@cache
def categories() -> dict[str, str]:
    """The catalogue's categories: code to French words, in order."""
    tree = of(CATEGORIES, "CodeSystem") or {}
    return {one["code"]: one["display"] for one in tree.get("concept", ())}


def _is_https(url: str) -> bool:
    parts = urlsplit(url) if url.isascii() and len(url) <= 500 else None
    return parts is not None and parts.scheme == "https" and bool(parts.hostname) and parts.username is None


def _issue(where: str, words: str) -> Issue:
    return Issue("error", "business-rule", words, where)
