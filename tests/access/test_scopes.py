"""SMART scopes, v1 and v2: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import pytest

from fhir_server.access import scopes
from fhir_server.search.parameters.registry import Registry
from fhir_server.settings import Settings
from fhir_server.store.filters import EVERYTHING


@dataclass(frozen=True)
class _Known:
    registry: Registry


@dataclass(frozen=True)
class _Place:
    repository: _Known
    base: str
    settings: Settings


PLACE = _Place(_Known(Registry(ZoneInfo("Europe/Paris"))), "https://server.example/fhir", Settings())

#: Scope → level, type and letters; None for what is not a scope about resources.
READ: list[tuple[str, tuple[str, str, str] | None]] = [
    ("patient/Observation.rs", ("patient", "Observation", "rs")),
    ("patient/Observation.cruds", ("patient", "Observation", "cruds")),
    ("user/Appointment.cu", ("user", "Appointment", "cu")),
    ("system/*.s", ("system", "*", "s")),
    ("patient/*.read", ("patient", "*", "rs")),
    ("patient/*.write", ("patient", "*", "cud")),
    ("patient/*.*", ("patient", "*", "cruds")),
    ("patient/Observation.rs?category=laboratory&code=http://loinc.org|1-8", ("patient", "Observation", "rs")),
    ("patient/Observation.read?category=laboratory", ("patient", "Observation", "rs")),
    # Out of order, repeated or undefined letters: a request of `.dus` is no scope.
    ("patient/Observation.dus", None),
    ("patient/Observation.sr", None),
    ("patient/Observation.rr", None),
    ("patient/Observation.rx", None),
    ("patient/Observation.", None),
    ("patient/Observation", None),
    ("patient/Observation.READ", None),
    ("patient/observation.rs", None),
    ("patient/Nothing.rs", None),
    ("Patient/Observation.rs", None),
    ("patient/.rs", None),
    ("patient/*", None),
    ("patient.Observation.rs", None),
    ("patient/Observation.rs?", None),
    ("practitioner/Observation.rs", None),
    ("patient/Observation.rs ", None),
    ("launch/patient", None),
    ("openid", None),
    # A constraint is judged on the resource itself: it may not lead elsewhere.
    ("patient/Observation.rs?subject.name=a", None),
    ("patient/Observation.rs?_has:Observation:subject:code=a", None),
    ("patient/Observation.rs?_filter=code%20eq%20a", None),
    # Every type must know it.
    ("patient/*.rs?_tag=a", ("patient", "*", "rs")),
    ("patient/*.rs?category=laboratory", None),
]


@pytest.mark.parametrize(("text", "expected"), READ)
def test_a_scope_is_read_as_it_is_defined(text: str, expected: tuple[str, str, str] | None) -> None:
    found = scopes.read(text)
    assert expected == (
        None if found is None else (found.level, found.type, "".join(sorted(found.verbs, key="cruds".index)))
    )


#: Asked · allowed · granted.
MET: list[tuple[str, str, str]] = [
    ("patient/*.rs", "patient/*.rs", "patient/*.rs"),
    ("patient/*.read", "patient/*.rs", "patient/*.read"),
    ("patient/*.*", "patient/*.rs", "patient/*.rs"),
    ("patient/*.write", "patient/*.cruds", "patient/*.write"),
    ("patient/*.write", "patient/*.cu", "patient/*.cu"),
    ("patient/*.rs", "patient/Observation.rs patient/Condition.r", "patient/Observation.rs patient/Condition.r"),
    ("patient/Observation.rs", "patient/*.cruds", "patient/Observation.rs"),
    ("patient/Observation.rs", "user/*.cruds system/*.cruds", ""),
    ("user/Observation.rs", "patient/*.cruds", ""),
    (
        "patient/Observation.rs",
        "patient/Observation.rs?category=a patient/Observation.rs?category=b",
        "patient/Observation.rs?category=a patient/Observation.rs?category=b",
    ),
    ("patient/Observation.rs?category=a", "patient/Observation.rs", "patient/Observation.rs?category=a"),
    (
        "patient/Observation.rs?code=x",
        "patient/Observation.rs?category=a",
        "patient/Observation.rs?code=x&category=a",
    ),
    ("patient/Observation.rs?code=x", "patient/Observation.r?code=x", "patient/Observation.r?code=x"),
    ("launch/patient openid nothing", "openid launch/patient", "launch/patient openid"),
    ("offline_access", "patient/*.cruds", ""),
    ("openid openid", "openid", "openid"),
]


@pytest.mark.parametrize(("asked", "allowed", "granted"), MET)
def test_what_is_granted_is_what_both_say(asked: str, allowed: str, granted: str) -> None:
    assert scopes.meet(scopes.split(asked), allowed.split()) == granted.split()


@pytest.mark.parametrize(
    "text",
    ["patient/Observation.rs?nothing=1", "patient/Observation.rs?date=never", "patient/*.rs?_lastUpdated=x"],
)
def test_a_constraint_that_cannot_be_judged_grants_nothing(text: str) -> None:
    assert scopes.understood(["openid", text, "patient/Patient.r"], PLACE) == ["openid", "patient/Patient.r"]
    assert scopes.compiled([text], PLACE) == ()


def test_the_parameters_of_a_constraint_hold_together() -> None:
    [both] = scopes.compiled(["patient/Observation.rs?category=laboratory&code=http://loinc.org|1-8"], PLACE)
    [one] = scopes.compiled(["patient/Observation.rs?category=laboratory"], PLACE)
    assert both.where != one.where and EVERYTHING not in (both.where, one.where)


def test_a_scope_parameter_that_is_too_long_asks_for_nothing() -> None:
    assert scopes.split("patient/*.rs " * 1_000) == []
