"""An app of the catalogue: the `Device` it is kept as, read and written.

https://hl7.org/fhir/R4/device.html under our profile https://fhir-server.example/StructureDefinition/ens-app; CSP
R1111-38 and R1111-39. A *purpose* (finalité) is what a patient accepts or refuses, and what expands to SMART scopes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Literal, cast, get_args

from fhir_server.fhir.json import parse

Status = Literal["EN_LIGNE", "HORS_LIGNE", "PRESERIE", "SUSPENDUE", "DEREFERENCEE"]
Audience = Literal["patient", "professional"]
Action = Literal["read", "write"]

OWN = "https://fhir-server.example"
#: System of the identifier that is an app's OAuth client id.
CLIENTS = f"{OWN}/clients"
KIND = f"{OWN}/CodeSystem/ens-app"
CATEGORIES = f"{OWN}/CodeSystem/ens-app-category"
PROFILE = f"{OWN}/StructureDefinition/ens-app"
PURPOSE = f"{PROFILE}-purpose"

#: Apps that a worker remembers as they were read.
REMEMBERED = 256

STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True, slots=True)
class Category:
    """A category of data: of documents (TRE_A03, LOINC), of measures (LOINC)."""

    system: str
    code: str
    display: str = ""


@dataclass(frozen=True, slots=True)
class Purpose:
    """What an app exchanges data for: the unit of consent.

    Attributes:
        code: unique within the app; never given to another purpose.
        label: in plain words, shown to the patient: "Suivre la pression artérielle".
        actions: whether it reads, writes or both.
        categories: of the documents and measures it speaks of; () when none narrows it.
        justification: why these data are needed.
        retention: how long the publisher keeps them.
        scopes: SMART v2 scopes, at level patient/, user/ or system/.
    """

    code: str
    label: str
    actions: tuple[Action, ...]
    categories: tuple[Category, ...] = ()
    justification: str = ""
    retention: str = ""
    scopes: tuple[str, ...] = ()

    @property
    def terms(self) -> str:
        """Changes when what a patient would accept changes: perimeter, actions, justification or retention."""
        what = (sorted(self.actions), sorted((c.system, c.code) for c in self.categories))
        why = (" ".join(self.justification.split()), " ".join(self.retention.split()), sorted(self.scopes))
        return hashlib.sha256(repr((what, why)).encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class App:
    """One app.

    Attributes:
        id: of its Device.
        client: its OAuth client id.
        name: shown to people.
        publisher: reference to the Organization that publishes it ("Organization/1"); "" of a draft that registered
            itself and that nobody has answered for yet.
        version: in force.
        status: only EN_LIGNE exchanges data of real people; PRESERIE those of synthetic patients.
        categories: codes of https://fhir-server.example/CodeSystem/ens-app-category.
        audience: who uses it. Of "patient" apps patients, representatives and caregivers consent to each purpose.
        exchanges: whether it exchanges data with the space at all.
        purposes: those referenced, each with another code.
        description: in a sentence or two.
        url, privacy_url: its own pages. launch_uri: where an EHR launch opens it.
        redirect_uris: where people come back to with a code, matched exactly.
        jwks, jwks_uri: its public keys when it proves itself with them, as JSON or where they are; "" for neither.
        reconsent_by: the last day on which consents to an earlier version's terms still give something.
        convention_start, convention_end: first and last day of the convention.
        safety: security and certification statements (HDS, eIDAS…), in words.
    """

    id: str
    client: str
    name: str
    publisher: str
    version: str
    status: Status
    categories: tuple[str, ...] = ()
    audience: Audience = "patient"
    exchanges: bool = True
    purposes: tuple[Purpose, ...] = ()
    description: str = ""
    url: str = ""
    privacy_url: str = ""
    launch_uri: str = ""
    redirect_uris: tuple[str, ...] = ()
    jwks: str = ""
    jwks_uri: str = ""
    reconsent_by: date | None = None
    convention_start: date | None = None
    convention_end: date | None = None
    safety: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """Of its Device: "Device/1"."""
        return f"Device/{self.id}"

    def purpose(self, code: str) -> Purpose | None:
        """The purpose of this code."""
        return next((one for one in self.purposes if one.code == code), None)


def is_app(tree: Mapping[str, Any]) -> bool:
    """Whether a Device is an app of the catalogue."""
    return any(c.get("system") == KIND and c.get("code") == "application" for c in _codings(tree.get("type")))


@lru_cache(maxsize=REMEMBERED)
def from_body(body: bytes) -> App:
    """The app that the body of a Device under our profile holds; what a list shows again is not read again."""
    return from_device(parse(body))


def from_device(tree: Mapping[str, Any]) -> App:
    """The app that a Device under our profile is. What is missing is empty; an unknown status is SUSPENDUE."""
    own = {url: list(values) for url, values in _extensions(tree)}
    status = _first(own, "status", "valueCode", "")
    period = _first(own, "convention", "valuePeriod", {})
    return App(
        id=str(tree.get("id", "")),
        client=next((i.get("value", "") for i in tree.get("identifier", ()) if i.get("system") == CLIENTS), ""),
        name=next((n.get("name", "") for n in tree.get("deviceName", ())), ""),
        publisher=tree.get("owner", {}).get("reference", ""),
        version=next((v.get("value", "") for v in tree.get("version", ())), ""),
        status=cast(Status, status) if status in STATUSES else "SUSPENDUE",
        categories=tuple(c["code"] for e in own.get("category", ()) for c in [e.get("valueCoding", {})] if "code" in c),
        audience="professional" if _first(own, "audience", "valueCode", "") == "professional" else "patient",
        exchanges=bool(_first(own, "exchanges", "valueBoolean", True)),
        purposes=tuple(from_extension(one) for one in own.get("purpose", ())),
        description=next((n.get("text", "") for n in tree.get("note", ())), ""),
        url=tree.get("url", ""),
        privacy_url=_first(own, "privacy", "valueUrl", ""),
        launch_uri=_first(own, "launch", "valueUrl", ""),
        redirect_uris=tuple(e["valueUrl"] for e in own.get("redirect", ()) if e.get("valueUrl")),
        jwks=_first(own, "jwks", "valueString", ""),
        jwks_uri=_first(own, "jwks-uri", "valueUrl", ""),
        reconsent_by=_day(_first(own, "reconsent", "valueDate", "")),
        convention_start=_day(period.get("start", "")),
        convention_end=_day(period.get("end", "")),
        safety=tuple(s["text"] for s in tree.get("safety", ()) if "text" in s),
    )


def to_device(app: App, before: Mapping[str, Any] | None = None, day: date | None = None) -> dict[str, Any]:
    """The Device of an app.

    Args:
        app: as it is to be.
        before: the Device it was; what our profile says nothing of is kept from it.
        day: on which it is written; an app whose convention has ended by then is no active Device.
    """
    ended = day is not None and app.convention_end is not None and app.convention_end < day
    ours = set(_OWNED) | {"extension", "identifier"}
    kept = {key: value for key, value in (before or {}).items() if key not in ours}
    others = [e for e in (before or {}).get("extension", ()) if not str(e.get("url", "")).startswith(PROFILE + "-")]
    known = [i for i in (before or {}).get("identifier", ()) if i.get("system") != CLIENTS]
    said = {
        "url": app.url,
        "note": [{"text": app.description}] if app.description else [],
        "safety": [{"text": text} for text in app.safety],
    }
    return {
        **kept,
        "resourceType": "Device",
        **({"id": app.id} if app.id else {}),
        "meta": {**kept.get("meta", {}), "profile": _with_profile(kept.get("meta", {}))},
        "extension": [*_details(app), *map(to_extension, app.purposes), *others],
        "identifier": [{"system": CLIENTS, "value": app.client}, *known],
        "status": "active" if app.status == "EN_LIGNE" and not ended else "inactive",
        "deviceName": [{"name": app.name, "type": "user-friendly-name"}],
        "type": {"coding": [{"system": KIND, "code": "application"}]},
        "version": [{"value": app.version}],
        # A draft that registered itself has no publisher yet, and an owner all the same: our profile asks for one.
        "owner": {"reference": app.publisher} if app.publisher else {"display": "Sans éditeur"},
        **{key: value for key, value in said.items() if value},
    }


def from_extension(extension: Mapping[str, Any]) -> Purpose:
    """The purpose that an extension of our profile is."""
    parts: dict[str, list[Any]] = {}
    for part in extension.get("extension", ()):
        value = next((value for key, value in part.items() if key.startswith("value")), None)
        parts.setdefault(part.get("url", ""), []).append(value)
    one = {name: str(values[0]) for name, values in parts.items() if isinstance(values[0], str)}
    return Purpose(
        code=one.get("code", ""),
        label=one.get("label", one.get("code", "")),
        actions=tuple(cast(Action, a) for a in parts.get("action", ()) if a in get_args(Action)),
        categories=tuple(
            Category(c.get("system", ""), c.get("code", ""), c.get("display", ""))
            for value in parts.get("category", ())
            for c in _codings(value)
        ),
        justification=one.get("justification", ""),
        retention=one.get("retention", ""),
        scopes=tuple(scope for scope in parts.get("scope", ()) if isinstance(scope, str)),
    )


def to_extension(purpose: Purpose) -> dict[str, Any]:
    """The extension of a purpose."""
    parts = [
        _part("code", "valueCode", purpose.code),
        _part("label", "valueString", purpose.label),
        *(_part("action", "valueCode", action) for action in purpose.actions),
        *(_part("category", "valueCodeableConcept", {"coding": [_coding(c)]}) for c in purpose.categories),
        _part("justification", "valueString", purpose.justification),
        _part("retention", "valueString", purpose.retention),
        *(_part("scope", "valueString", scope) for scope in purpose.scopes),
    ]
    return {"url": PURPOSE, "extension": [part for part in parts if part["value" + _kind(part)]]}


#: Elements of a Device that our profile speaks of.
_OWNED = ("status", "deviceName", "type", "version", "owner", "url", "note", "safety")


def _details(app: App) -> list[dict[str, Any]]:
    days = {"start": app.convention_start, "end": app.convention_end}
    period = {end: day.isoformat() for end, day in days.items() if day}
    reconsent = app.reconsent_by.isoformat() if app.reconsent_by else ""
    found = [
        _part(f"{PROFILE}-status", "valueCode", app.status),
        _part(f"{PROFILE}-audience", "valueCode", app.audience),
        _part(f"{PROFILE}-exchanges", "valueBoolean", app.exchanges),
        *(_part(f"{PROFILE}-category", "valueCoding", {"system": CATEGORIES, "code": c}) for c in app.categories),
    ]
    optional = [
        _part(f"{PROFILE}-privacy", "valueUrl", app.privacy_url),
        _part(f"{PROFILE}-launch", "valueUrl", app.launch_uri),
        *(_part(f"{PROFILE}-redirect", "valueUrl", uri) for uri in app.redirect_uris),
        _part(f"{PROFILE}-jwks", "valueString", app.jwks),
        _part(f"{PROFILE}-jwks-uri", "valueUrl", app.jwks_uri),
        _part(f"{PROFILE}-reconsent", "valueDate", reconsent),
        _part(f"{PROFILE}-convention", "valuePeriod", period),
    ]
    return found + [part for part in optional if part["value" + _kind(part)]]


def _part(url: str, key: str, value: Any) -> dict[str, Any]:
    return {"url": url, key: value}


def _kind(part: Mapping[str, Any]) -> str:
    return next(key for key in part if key.startswith("value")).removeprefix("value")


def _coding(category: Category) -> dict[str, str]:
    display = {"display": category.display} if category.display else {}
    return {"system": category.system, "code": category.code, **display}


def _with_profile(meta: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys((*meta.get("profile", ()), PROFILE)))


def _extensions(tree: Mapping[str, Any]) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """Our extensions by the last word of their URL, in order."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for one in tree.get("extension", ()):
        url = str(one.get("url", ""))
        if url.startswith(PROFILE + "-"):
            found.setdefault(url.removeprefix(PROFILE + "-"), []).append(one)
    yield from found.items()


def _first(own: Mapping[str, list[Mapping[str, Any]]], name: str, key: str, default: Any) -> Any:
    return next((one[key] for one in own.get(name, ()) if key in one), default)


def _codings(concept: Any) -> list[Mapping[str, Any]]:
    return concept.get("coding", []) if isinstance(concept, dict) else []


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
