"""What a run of the generator shares: its seed, its reference day, ids, clocks, and who was born where and when."""

from __future__ import annotations

import unicodedata
import uuid
from collections import Counter
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.fhir.nos import nos
from fhir_server.population.registration import finess, ins, rpps
from fhir_server.population.tables import rows, wheel

PARIS = ZoneInfo("Europe/Paris")


class World:
    """The state of one run. Two runs with the same seed and day say the same things in the same order.

    Attributes:
        seed: of all randomness.
        day: today, in this world: documents are before it, appointments around it.
    """

    def __init__(self, seed: int, day: date) -> None:
        """Nobody was made yet; the same seed and day make the same people."""
        self.seed = seed
        self.day = day
        self._births: Counter[tuple[str, str, str]] = Counter()
        self._numbers: Counter[str] = Counter()

    def rng(self, *key: object) -> Random:
        """A source of randomness of its own for `key`, so that one part of a life does not disturb another."""
        return Random(f"{self.seed}/{'/'.join(map(str, key))}")  # noqa: S311 — reproducible on purpose, guards nothing

    def id(self, kind: str, *numbers: int) -> str:
        """A logical id that this seed always gives: `s1-doc-12-3`."""
        return "-".join((f"s{self.seed}", kind, *map(str, numbers)))

    def ins(self, sex: str, born: date, place: str) -> str:
        """An INS nobody else of this run has."""
        key = (sex, f"{born:%y%m}", place)
        self._births[key] += 1
        return ins(sex, born, place, self._births[key] % 1000 or 999)

    def rpps(self) -> str:
        """The next RPPS number."""
        self._numbers["rpps"] += 1
        return rpps((self.seed * 7919 + self._numbers["rpps"]) % 1_000_000)

    def finess(self, department: str) -> str:
        """The next FINESS number of a department."""
        self._numbers[department] += 1
        return finess(department, self._numbers[department] % 10_000)


def unique(rng: Random) -> str:
    """A random UUID as `urn:uuid:`."""
    return f"urn:uuid:{uuid.UUID(int=rng.getrandbits(128), version=4)}"


def unique_oid(rng: Random) -> str:
    """A random UUID as an OID, `urn:oid:2.25.…` (ITU-T X.667): what IHE asks of a submission set's unique id."""
    return f"urn:oid:2.25.{uuid.UUID(int=rng.getrandbits(128), version=4).int}"


def instant(day: date, hour: int, minute: int) -> str:
    """A moment of French legal time, with its offset: `2024-01-10T10:00:00+01:00`."""
    return datetime.combine(day, time(hour, minute), PARIS).isoformat()


def workday(day: date) -> date:
    """`day`, or the Friday before it when it falls on a weekend."""
    return day - timedelta(days=max(0, day.weekday() - 4))


def street(rng: Random) -> str:
    """A number and a street."""
    names = rows("streets")
    return f"{rng.randint(1, 148)} {names[rng.randrange(len(names))]['name']}"


def family_name(rng: Random) -> str:
    """A family name, as common as it is."""
    return wheel("family-names").draw(rng)["name"]


def address(line: str, commune: dict[str, str], use: str | None = None) -> dict[str, Any]:
    """A postal address with the INSEE code of its commune."""
    found: dict[str, Any] = {"use": use} if use else {}
    found["extension"] = [insee(commune["insee"])]
    found |= {"line": [line], "city": commune["name"], "postalCode": commune["postal"], "country": "FRA"}
    return found


def insee(code: str) -> dict[str, Any]:
    """The extension that carries a commune's (or a foreign country's) INSEE code."""
    return {
        "url": "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-address-insee-code",
        "valueCoding": {"system": nos("TRE_R13-Commune"), "code": code},
    }


def plain(text: str) -> str:
    """`text` in lower-case ASCII letters, for an e-mail address."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in folded if letter.isascii() and letter.isalpha())


def phone(rng: Random, mobile: bool = True) -> dict[str, Any]:
    """A number of the ranges kept for fiction (ARCEP decision 2018-0881), which reach nobody."""
    number = f"{rng.randrange(10_000):04d}"
    start = "+33 6 39 98" if mobile else "+33 2 61 91"
    return {
        "system": "phone",
        "value": f"{start} {number[:2]} {number[2:]}",
        "use": "mobile" if mobile else "work",
    }
