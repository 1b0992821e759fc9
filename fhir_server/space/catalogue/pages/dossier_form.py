"""The form of a file, and what it says: fields are named by their place in the file, as issues name it.

"app.name", "app.purpose[0].scope", "answers.use": the error of a field is the issue whose `expression` is its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from fhir_server.search.parameters.text import fold
from fhir_server.site.visit import Form
from fhir_server.space.catalogue.apps import Action, App, Category, Purpose
from fhir_server.space.catalogue.completeness import LONGEST, MOST_PURPOSES
from fhir_server.space.catalogue.criteria import questions
from fhir_server.space.catalogue.pages.data_words import LOINC, key_of, known

#: Fields of the card, each one line or more of text: name in the form → attribute of `App`.
_CARD = "name version description client url privacy_url launch_uri jwks jwks_uri"
CARD = {f"app.{name}": name for name in _CARD.split()}
#: How each purpose's fields begin in the form.
_PURPOSE = re.compile(r"app\.purpose\[(\d{1,2})\]\.")


@dataclass(frozen=True, slots=True)
class Filed:
    """What a form says: the app, with nothing that is not the publisher's to say, and the answers."""

    app: App
    answers: Mapping[str, str]


def read(given: Form, base: App) -> Filed:
    """What the form says of the app.

    Args:
        given: the form.
        base: the app as it was; what the form does not speak of is kept from it.
    """
    text: dict[str, Any] = {name: _one(given, field) for field, name in CARD.items() if field in given}
    exchanges = _one(given, "app.exchanges") != "no"
    app = replace(
        base,
        **text,
        audience="professional" if _one(given, "app.audience") == "professional" else "patient",
        exchanges=exchanges,
        categories=tuple(dict.fromkeys(given.get("app.category", ()))),
        safety=tuple(_lines(_one(given, "app.safety"))),
        redirect_uris=tuple(dict.fromkeys(_one(given, "app.redirect_uris").split())),
        purposes=tuple(_purpose(given, n) for n in numbers(given)) if exchanges else (),
    )
    asked = [one.link for one in questions(exchanges)]
    return Filed(app, {link: _one(given, f"answers.{link}") for link in asked if f"answers.{link}" in given})


def fields(app: App, answers: Mapping[str, str]) -> Form:
    """The form that says it."""
    found: dict[str, list[str]] = {field: [getattr(app, name)] for field, name in CARD.items()}
    found["app.audience"] = [app.audience]
    found["app.exchanges"] = ["yes" if app.exchanges else "no"]
    found["app.category"] = list(app.categories)
    found["app.redirect_uris"] = ["\n".join(app.redirect_uris)]
    found["app.safety"] = ["\n".join(app.safety)]
    for n, purpose in enumerate(app.purposes):
        at = f"app.purpose[{n}]"
        named = [key for one in purpose.categories if (key := key_of(one)) in known()]
        others = [_told(one) for one in purpose.categories if key_of(one) not in known()]
        found |= {
            f"{at}.code": [purpose.code],
            f"{at}.label": [purpose.label],
            f"{at}.action": list(purpose.actions),
            f"{at}.category": named,
            f"{at}.others": ["\n".join(others)],
            f"{at}.justification": [purpose.justification],
            f"{at}.retention": [purpose.retention],
            f"{at}.scope": ["\n".join(purpose.scopes)],
        }
    return found | {f"answers.{link}": [text] for link, text in answers.items()}


def numbers(given: Form) -> Sequence[int]:
    """The purposes in the form: 0, 1, 2…"""
    found = {int(match[1]) for name in given if (match := _PURPOSE.match(name))}
    return range(min(max(found) + 1, MOST_PURPOSES + 1)) if found else range(0)


def with_one_more(given: Form) -> Form:
    """The form with one more purpose, to be written."""
    n = len(numbers(given))
    return given if n >= MOST_PURPOSES else {**given, f"app.purpose[{n}].label": [""]}


def without(given: Form, gone: int) -> Form:
    """The form without a purpose; those after it take its place."""
    found: dict[str, Sequence[str]] = {}
    for name, values in given.items():
        match = _PURPOSE.match(name)
        n = int(match[1]) if match else -1
        if match and n != gone:
            name = f"app.purpose[{n - 1 if n > gone else n}].{name[match.end() :]}"
        if not match or n != gone:
            found[name] = values
    return found


def _purpose(given: Form, n: int) -> Purpose:
    at = f"app.purpose[{n}]"
    label = _one(given, f"{at}.label")
    chosen = [one for one in given.get(f"{at}.category", ()) if one in known()]
    others = [_category(line) for line in _lines(_one(given, f"{at}.others"))]
    return Purpose(
        code=_one(given, f"{at}.code") or _slug(label),
        label=label,
        actions=tuple(cast(Action, one) for one in given.get(f"{at}.action", ()) if one in ("read", "write")),
        categories=(*(_named(one) for one in dict.fromkeys(chosen)), *others),
        justification=_one(given, f"{at}.justification"),
        retention=_one(given, f"{at}.retention"),
        scopes=tuple(dict.fromkeys(_one(given, f"{at}.scope").split())),
    )


def _one(given: Form, name: str) -> str:
    """The first value; one character more than is allowed, so that what is too long is told, not cut."""
    return given.get(name, ("",))[0].strip()[: LONGEST + 1]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _slug(label: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", fold(label)).strip("-")[:60].strip("-")


def _named(key: str) -> Category:
    system, _, code = key.partition("|")
    return Category(system, code, known()[key][0])


def _category(line: str) -> Category:
    """`system|code|words`; a code alone is LOINC's."""
    system, bar, rest = line.partition("|")
    code, _, words = rest.partition("|")
    return Category(system.strip(), code.strip(), words.strip()) if bar else Category(LOINC, system.strip())


def _told(category: Category) -> str:
    return "|".join(part for part in (category.system, category.code, category.display) if part)
