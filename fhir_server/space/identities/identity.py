"""What an identity is made of, and what becomes of it when it changes: the INS and its qualified traits.

Référentiel INS (ANS): a matricule with its OID, birth family name, first names of birth, birth date, sex and place of
birth (INSEE). https://hl7.fr/ig/fhir/core, fr-core-patient-ins: a NIR is `official`, a NIA `temp`, what is in force no
more `old`; a doubtful or fictitious identity is provisional. An earlier number stays, with the time it was in force.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args

from fhir_server.fhir.outcome import Invalid
from fhir_server.smart.people.matching import BIRTH_GIVEN, BIRTH_PLACE, INS, INSEE, extension

#: How an INS comes to change. `attributed`: there was none; `replaced`: the national one changed (a NIA became a NIR);
#: `corrected`: it was mistaken; both leave the earlier one to be found by. `withdrawn`: it is somebody else's, and
#: stays nowhere. `traits`: the number stays.
How = Literal["attributed", "replaced", "corrected", "withdrawn", "traits"]
HOWS: tuple[How, ...] = get_args(How)

NIR, NIA, TEST, DEMO = INS
RELIABILITY = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-identity-reliability"
_FORM = re.compile(r"[1-478]\d{4}(?:\d\d|2[AB])\d{6}\d{2}", re.ASCII)
#: Systems of people who are invented: their numbers are no keys of real ones, and never become such.
_INVENTED = frozenset({TEST, DEMO})
#: Elements of a Patient that are of an identity; others are no matter of this.
_PARTS = frozenset({"resourceType", "id", "identifier", "name", "gender", "birthDate", "extension"})
_EXTENSIONS = frozenset({BIRTH_PLACE, RELIABILITY})
_COMMENTS = frozenset({"comment", "identityComment"})


def in_force(tree: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The identifier that is somebody's INS now; None without one."""
    return next((one for one in numbers(tree) if one.get("use") != "old"), None)


def numbers(tree: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The identifiers of somebody that are, or were, an INS."""
    return [one for one in tree.get("identifier", ()) if one.get("system") in INS and one.get("value")]


def changed(before: Mapping[str, Any], said: Mapping[str, Any], how: How, at: str) -> dict[str, Any]:
    """A Patient with another identity.

    Args:
        before: as it is.
        said: a Patient with what is to be so: an INS, the official name, sex, birth date, place of birth, reliability.
        how: the change is of this kind.
        at: the instant it is made, as a dateTime.

    Raises:
        Invalid: it cannot be, naming the element (422).
    """
    if strange := next((name for name in said if name not in _PARTS), ""):
        raise _wrong("This is no part of an identity.", f"Patient.{strange}")
    lists = {
        "identifier": [*_numbered(before, said, how, at)],
        "name": _named(before.get("name", ()), said.get("name"), at),
        "extension": _extended(before.get("extension", ()), said.get("extension", ())),
    }
    # A day or a sex that is said anew has no longer what stood beside the one before (`_birthDate`).
    gone = {f"_{name}" for name in ("gender", "birthDate") if name in said}
    plain = {name: said[name] for name in ("gender", "birthDate") if name in said}
    kept = {name: value for name, value in before.items() if name not in lists and name not in gone}
    after = {**kept, **plain, **{name: value for name, value in lists.items() if value}}
    if "extension" in said or "identifier" in said or how == "withdrawn":
        _require_sound(after)
    return after


def _extended(before: Any, wanted: Any) -> list[Mapping[str, Any]]:
    urls = {one.get("url") for one in wanted}
    if len(urls) != len(wanted) or urls - _EXTENSIONS:
        words = "An identity has a place of birth and a reliability, once each, and no other extension."
        raise _wrong(words, "Patient.extension")
    return [*(one for one in before if one.get("url") not in urls), *wanted]


def judged(system: str, value: str) -> str:
    """What is wrong with a matricule, in words that do not repeat it; "" where nothing is."""
    if system not in INS:
        return "An INS has one of the four OIDs of the national reference."
    if not _FORM.fullmatch(value):
        return "An INS has fifteen characters: thirteen of a number, and two of its key."
    if system not in _INVENTED and int(value[13:]) != key(value[:13]):
        return "The key of this INS is not that of its number."
    if system == NIR and value[0] not in "12":
        return "A NIR begins with 1 or 2; a provisional number is a NIA, under an OID of its own."
    return ""


def key(number: str) -> int:
    """The key of thirteen characters, those of Corsica as 19 and 18: 97 less the rest by 97."""
    return 97 - int(number.replace("2A", "19", 1).replace("2B", "18", 1)) % 97


def _numbered(before: Mapping[str, Any], said: Mapping[str, Any], how: How, at: str) -> Iterator[Mapping[str, Any]]:
    """The identifiers that follow."""
    now, wanted = in_force(before), numbers(said)
    if len(said.get("identifier", ())) != len(wanted) or len(wanted) > 1:
        raise _wrong("One INS is said, and no other identifier.", "Patient.identifier")
    new = wanted[0] if wanted else None
    _require_fits(now, new, how)
    if new is not None:
        # The one in force comes first: some software looks no further.
        made = {name: new[name] for name in ("type", "system", "value") if name in new}
        yield {**made, "use": "temp" if new["system"] == NIA else "official", "period": {"start": at}}
    for one in before.get("identifier", ()):
        if new is not None and (one.get("system"), one.get("value")) == (new["system"], new["value"]):
            continue
        if how == "traits" or one.get("use") == "old" or one.get("system") not in INS:
            yield one
        elif how != "withdrawn":
            yield over(one, at)


def _require_fits(now: Mapping[str, Any] | None, new: Mapping[str, Any] | None, how: How) -> None:
    where = "Patient.identifier"
    if (new is None) != (how in ("withdrawn", "traits")):
        raise _wrong("An INS is said where it is attributed, replaced or corrected, and nowhere else.", where)
    if (now is None) != (how == "attributed") and how != "traits":
        raise _wrong("An INS is attributed to who has none; of who has none, none is changed.", where)
    if new is not None and (words := judged(str(new["system"]), str(new["value"]))):
        raise _wrong(words, f"{where}.value")
    if new is not None and now is not None:
        _require_follows(now, new, how)


def _require_follows(now: Mapping[str, Any], new: Mapping[str, Any], how: How) -> None:
    where = "Patient.identifier"
    if (now["system"], now["value"]) == (new["system"], new["value"]):
        raise _wrong("This is the INS in force.", f"{where}.value")
    if (now["system"] in _INVENTED) != (new["system"] in _INVENTED):
        words = "A number of test or demonstration is never a real person's, nor the other way."
        raise _wrong(words, f"{where}.system")
    if how == "replaced" and (now["system"], new["system"]) == (NIR, NIA):
        raise _wrong("A provisional number (NIA) comes before a NIR and never replaces it.", f"{where}.system")


def _named(before: Any, said: Any, at: str) -> list[Mapping[str, Any]]:
    """The names that follow: the official one before is old."""
    if not said:
        return list(before)
    if len(said) != 1 or not said[0].get("family") or not said[0].get("given"):
        raise _wrong("An identity has one official name, with a family and given names.", "Patient.name")
    official = {**said[0], "use": "official"}
    if official in before:
        return list(before)
    return [official, *(over(one, at) if one.get("use") == "official" else one for one in before)]


def over(one: Mapping[str, Any], at: str) -> dict[str, Any]:
    """A name or identifier that is in force until an instant (dateTime)."""
    return {**one, "use": "old", "period": {**one.get("period", {}), "end": at}}


def _require_sound(tree: Mapping[str, Any]) -> None:
    """What is qualified has an INS and all five traits; what is doubtful or fictitious is provisional."""
    said = extension(tree, RELIABILITY)
    status = _code(extension(said, "identityStatus"))
    comments = {_code(one) for one in said.get("extension", ()) if one.get("url") in _COMMENTS} & {"DOUT", "FICT"}
    if comments and (status != "PROV" or len(comments) > 1):
        words = "A doubtful or fictitious identity is one of the two, and provisional (PROV)."
        raise _wrong(words, "Patient.extension")
    if status == "VALI":
        for there, element in _traits(tree):
            if not there:
                raise _wrong("A qualified identity (VALI) has an INS and all five traits.", element)


def _traits(tree: Mapping[str, Any]) -> Iterator[tuple[Any, str]]:
    """What a qualified identity has, and where."""
    name: Mapping[str, Any] = next((one for one in tree.get("name", ()) if one.get("use") == "official"), {})
    place = extension(extension(tree, BIRTH_PLACE).get("valueAddress") or {}, INSEE)
    yield in_force(tree), "Patient.identifier"
    yield name.get("family"), "Patient.name.family"
    yield extension(name, BIRTH_GIVEN).get("valueString") or name.get("given"), "Patient.name.given"
    yield tree.get("gender") in ("male", "female"), "Patient.gender"
    yield tree.get("birthDate"), "Patient.birthDate"
    yield _code(place), "Patient.extension"


def _code(node: Mapping[str, Any]) -> str:
    return str((node.get("valueCoding") or {}).get("code") or "")


def _wrong(words: str, where: str) -> Invalid:
    return Invalid(words, where, code="business-rule", key="identity")
