"""What a file lacks before anybody verifies it: told to its publisher all at once.

CSP R1111-38: a questionnaire, an impact assessment, and for each category of data a justification and a retention.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import msgspec

from fhir_server.access import scopes
from fhir_server.access.software_statement import MOST_REDIRECTS, is_key_set, returns
from fhir_server.fhir.outcome import Issue
from fhir_server.space.catalogue.apps import CATEGORIES, App, Purpose
from fhir_server.space.catalogue.criteria import Criterion, questions
from fhir_server.space.catalogue.dossiers import Dossier, Result
from fhir_server.space.catalogue.impact_assessment import KINDS, LARGEST
from fhir_server.validation.shipped import of

#: Longest text of any answer, reason or comment, in characters.
LONGEST = 4000
#: Purposes of one app, and scopes of one purpose.
MOST_PURPOSES, MOST_SCOPES = 20, 50
_CODE = re.compile(r"[a-z0-9][a-z0-9\-]{1,62}")
_LETTERS = {"read": frozenset("rs"), "write": frozenset("cud")}
#: Levels of scopes that an app of each audience may ask for.
_LEVELS = {"patient": {"patient"}, "professional": {"patient", "user", "system"}}


def lacking(dossier: Dossier, current: App | None) -> list[Issue]:
    """Each thing that is missing or wrong, in words; [] for a file that can be verified.

    An issue's `expression` is the place in the file ("app.name", "app.purpose[0].scope", "answers.use", "dpia"), its
    `key` the rule, by which a page finds its own words.

    Args:
        dossier: as filed.
        current: the app as it is referenced now; None when it never was.
    """
    app = dossier.proposed
    found = [*_card(app), *_software(app), *_answers(app, dossier.answers)]
    if current is not None and current.version == app.version:
        found.append(_issue("app.version", "A new file is for a new version of the app.", "same-version"))
    if not app.exchanges:
        none = _issue("app.purpose", "An app that exchanges no data has no purposes.", "needless-purpose")
        return found + [none] * bool(app.purposes)
    return [*found, *_assessment(dossier.dpia), *_purposes(app)]


def unverified(results: Mapping[str, Result], asked: tuple[Criterion, ...], passing: bool) -> list[Issue]:
    """What is wrong with the results of a verification; `expression` is "criterion.INT-01".

    Args:
        results: by criterion.
        asked: the criteria that the app is held to.
        passing: whether the file is to pass: every criterion is answered, and none is not met.
    """
    found = []
    known = {one.code for one in asked}
    for code, result in results.items():
        where = f"criterion.{code[:20]}"
        if code not in known:
            found.append(_issue(where, f"{code[:20]} is no criterion of this app.", "unknown-criterion"))
        if result.verdict != "met" and not result.comment.strip():
            words = f"{code[:20]} needs a comment: it is not met, or does not apply."
            found.append(_issue(where, words, "comment-missing"))
        if len(result.comment) > LONGEST:
            found.append(_issue(where, f"The comment on {code[:20]} is too long.", "too-long"))
        if passing and result.verdict == "not-met":
            words = f"{code[:20]} is not met: return the file to its publisher."
            found.append(_issue(where, words, "criterion-unmet"))
    missing = [one.code for one in asked if one.code not in results] if passing else []
    return found + [_issue(f"criterion.{code}", f"{code} has no result.", "criterion-open") for code in missing]


def _card(app: App) -> Iterator[Issue]:
    for name in ("name", "version", "description", "client"):
        if not 0 < len(getattr(app, name).strip()) <= LONGEST:
            yield _issue(f"app.{name}", f"The app has no {name}, or too long a one.", "missing")
    for name in ("url", "privacy_url"):
        if not _is_https(getattr(app, name)):
            yield _issue(f"app.{name}", f"The app's {name.replace('_', ' ')} is an https address.", "https")
    if app.launch_uri and not _is_https(app.launch_uri):
        yield _issue("app.launch_uri", "The address that opens the app is an https address.", "https")
    if not app.categories or not set(app.categories) <= categories().keys():
        yield _issue("app.category", "The app has at least one category of the catalogue, and no other.", "category")
    if any(len(said) > LONGEST for said in app.safety):
        yield _issue("app.safety", "What is said of the app's safety is too long.", "too-long")


def _software(app: App) -> Iterator[Issue]:
    """What its OAuth client needs: an app on line that nobody can come back to can never be opened."""
    if len(app.redirect_uris) > MOST_REDIRECTS or not all(map(returns, app.redirect_uris)):
        words = f"Each redirect URI, {MOST_REDIRECTS} at most, is an https address, or one of the person's own machine."
        yield _issue("app.redirect_uris", words, "redirect")
    if app.jwks and app.jwks_uri:
        yield _issue("app.jwks", "There are keys or the address of keys, not both.", "keys-twice")
    elif app.jwks and not is_key_set(_json(app.jwks)):
        words = "The keys are a JWK Set of public keys: RSA of 2048 bits or more, or EC on P-384, each with its kid."
        yield _issue("app.jwks", words, "keys")
    if app.jwks_uri and not _is_https(app.jwks_uri):
        yield _issue("app.jwks_uri", "The address of the keys is an https address.", "https")
    keyed = bool(app.jwks or app.jwks_uri)
    used = [one for purpose in app.purposes for one in map(scopes.read, purpose.scopes) if one is not None]
    alone = bool(used) and all(one.level == "system" for one in used)
    if app.exchanges and not app.redirect_uris and not (keyed and alone):
        yield _issue("app.redirect_uris", "The app has no redirect URI: nobody could open it.", "no-redirect")
    if app.audience == "professional" and any(one.level == "system" for one in used) and not keyed:
        yield _issue("app.jwks", "An app that asks for system scopes proves itself with keys.", "no-keys")


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None


def _answers(app: App, answers: Mapping[str, str]) -> Iterator[Issue]:
    asked = {one.link: one for one in questions(app.exchanges)}
    for link, question in asked.items():
        answer = answers.get(link, "").strip()
        where = f"answers.{link}"
        if question.required and not answer:
            yield _issue(where, f"« {question.text} » is not answered.", "missing")
        elif len(answer) > LONGEST:
            yield _issue(where, f"The answer to « {question.text} » is too long.", "too-long")
        elif answer and question.options and answer not in dict(question.options):
            yield _issue(where, f"The answer to « {question.text} » is none of its options.", "option")
        elif answer and question.kind == "boolean" and answer not in ("true", "false"):
            yield _issue(where, f"The answer to « {question.text} » is true or false.", "option")
    if answers.get("secondary-use") == "true" and app.exchanges:
        yield _issue("answers.secondary-use", "Data of the space serve the declared purposes only.", "secondary-use")


def _assessment(dpia: Mapping[str, Any] | None) -> Iterator[Issue]:
    if not dpia or not dpia.get("title") or not dpia.get("size"):
        yield _issue("dpia", "The impact assessment is needed: its title and its data.", "missing")
    elif not dpia.get("contentType"):
        yield _issue("dpia", f"The impact assessment is a file in {' or '.join(KINDS)}.", "kind")
    elif dpia["size"] > LARGEST:
        yield _issue("dpia", f"The impact assessment is larger than {LARGEST} bytes.", "too-large")


def _purposes(app: App) -> Iterator[Issue]:
    if not 0 < len(app.purposes) <= MOST_PURPOSES:
        words = f"An app that exchanges data has 1 to {MOST_PURPOSES} purposes."
        yield _issue("app.purpose", words, "purposes")
    seen: set[str] = set()
    for n, purpose in enumerate(app.purposes[:MOST_PURPOSES]):
        where = f"app.purpose[{n}]"
        if purpose.code in seen:
            yield _issue(f"{where}.code", "Each purpose has a code of its own.", "same-code")
        seen.add(purpose.code)
        yield from _said(purpose, where)
        yield from _scopes(app, purpose, f"{where}.scope")


def _said(purpose: Purpose, where: str) -> Iterator[Issue]:
    if not _CODE.fullmatch(purpose.code):
        yield _issue(f"{where}.code", "The code of a purpose is small letters, digits and hyphens.", "purpose-code")
    for name in ("label", "justification", "retention"):
        if not 0 < len(getattr(purpose, name).strip()) <= LONGEST:
            yield _issue(f"{where}.{name}", f"The purpose has no {name}, or too long a one.", "missing")
    if not purpose.actions:
        yield _issue(f"{where}.action", "The purpose reads, writes, or both.", "actions")
    if any(not one.code or len(one.code) > 100 for one in purpose.categories):
        yield _issue(f"{where}.category", "A category of data has a code.", "data-category")


def _scopes(app: App, purpose: Purpose, where: str) -> Iterator[Issue]:
    if not 0 < len(purpose.scopes) <= MOST_SCOPES:
        yield _issue(where, f"The purpose expands to 1 to {MOST_SCOPES} scopes.", "scopes")
    letters = frozenset[str]().union(*(_LETTERS[action] for action in purpose.actions))
    for text in purpose.scopes[:MOST_SCOPES]:
        said = text[:100]
        found = scopes.read(text)
        if found is None:
            yield _issue(where, f"{said} is no SMART scope about resources.", "scope")
        elif found.type == "*":
            yield _issue(where, f"{said} speaks of every type: name those that the purpose needs.", "scope-type")
        elif found.level not in _LEVELS[app.audience]:
            yield _issue(where, f"{said} is at a level that an app for this audience does not get.", "scope-level")
        elif not found.verbs <= letters:
            yield _issue(where, f"{said} does more than the purpose's actions.", "scope-verbs")


@cache
def categories() -> dict[str, str]:
    """The catalogue's categories: code to French words, in order."""
    tree = of(CATEGORIES, "CodeSystem") or {}
    return {one["code"]: one["display"] for one in tree.get("concept", ())}


def _is_https(url: str) -> bool:
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > 500:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname) and parts.username is None


def _issue(where: str, words: str, key: str) -> Issue:
    return Issue("error", "business-rule", words, where, key)
