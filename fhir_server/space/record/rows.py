"""Index rows by which the record's rules find documents and choices, beside those of search parameters.

    type               row                                  says
    DocumentReference  Word("_label", code)                 each label, as it is stored
                       Word("_author", X)                   who wrote it
                       Word("_authorOrg", X)                for which organisation
                       Span("_visible", µs, µs)             when it is no longer invisible to its patient
                       Word("_gone", "1")                   that it is deleted, logically
                       Word("security-label", code, system) each label in every other spelling, so that any finds it
    List               Word("_author", X), Word("_authorOrg", X)   likewise, of its source
    clinical types     Word("_author", X), Word("_authorOrg", X)   likewise, of who wrote or did it (`clinical.py`)
    Provenance         Word("_ofShared", "1")               that it is of documents and lists of them alone
    CareTeam           Span("_member", µs, µs, who)         from when until when somebody is a member
    Consent            Word("_choice", kind, actor)         a choice of the record that is in force
                       Span("_choiceUntil", µs, µs, kind, actor)  from when until when

X of an author is a national identifier as IdNatPS has it ("8" and the RPPS), of an organisation as IdNatStruct has it;
any other identifier of what is no professional is "system|value"; what is referred to here is "Practitioner/1".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from fhir_server.fhir.dates import period
from fhir_server.fhir.references import parse
from fhir_server.search.parameters.codes import spelling
from fhir_server.space.paris import PARIS
from fhir_server.space.record.invisible import visible_from
from fhir_server.space.record.labels import OTHER_SPELLINGS, codes
from fhir_server.store.filters import BEGINNING, END, Span, Word

LABEL, AUTHOR, AUTHOR_ORGANISATION, VISIBLE, GONE = "_label", "_author", "_authorOrg", "_visible", "_gone"
OF_SHARED = "_ofShared"
CHOICE, CHOICE_UNTIL, MEMBER = "_choice", "_choiceUntil", "_member"
#: Choices that a link leads to by themselves, `Word("_choice:blocked", "Patient/1")`, so that a patient's other
#: Consents are not looked through for each.
LINKED = frozenset(
    {
        "blocked",
        "authorised",
        "administrator",
        "regulation-refused",
        "btg-refused",
        "emergency-sees-masked",
        "masked-by-default",
    }
)
#: The search parameter of labels.
SECURITY_LABEL = "security-label"

ID_NAT_PS, RPPS = "urn:oid:1.2.250.1.71.4.2.1", "https://rpps.esante.gouv.fr"
ID_NAT_STRUCT, FINESS = "urn:oid:1.2.250.1.71.4.2.2", "https://finess.esante.gouv.fr"
#: System of a national identifier → what its value begins with where IdNatPS or IdNatStruct has it, and its length
#: without that.
_PROFESSIONALS: Mapping[str, tuple[str, int]] = {ID_NAT_PS: ("8", 11), RPPS: ("8", 11)}
_STRUCTURES: Mapping[str, tuple[str, int]] = {ID_NAT_STRUCT: ("", 0), FINESS: ("1", 9)}
#: Code system of the record's choices, and of other kinds of consent.
KINDS = "https://fhir-server.example/CodeSystem/ens-consent-kind"


class _Inside(NamedTuple):
    """A resource that refers, with what it contains by id."""

    contained: Mapping[str, Mapping[str, Any]]
    base: str


def documents(tree: dict[str, Any], base: str) -> Iterator[Word | Span]:
    """The rows of a DocumentReference; `base` is the server's own."""
    for code in codes(tree):
        yield Word(LABEL, code)
        for system, spelt in OTHER_SPELLINGS[code]:
            yield Word(SECURITY_LABEL, spelling(spelt, system), system)
    when = visible_from(tree)
    if when is not None:
        yield Span(VISIBLE, when, when)
    if tree.get("status") == "entered-in-error":
        yield Word(GONE, "1")
    yield from authors(tree, _dicts(tree.get("author")), base)


def consents(tree: dict[str, Any], base: str) -> Iterator[Word | Span]:
    """The rows of a Consent that is in force; none of any other."""
    if tree.get("status") != "active":
        return
    provision = tree.get("provision") or {}
    actors = [parse(one["reference"]["reference"], base).target for one in _dicts(provision.get("actor"))
              if isinstance((one.get("reference") or {}).get("reference"), str)]  # fmt: skip
    patient = _local(tree.get("patient"), base)
    begin, end = period(provision.get("period") or {}, PARIS) or (BEGINNING, END)
    for category in _dicts(tree.get("category")):
        for coding in _dicts(category.get("coding")):
            if coding.get("system") == KINDS and isinstance(coding.get("code"), str):
                for actor in actors or [""]:
                    yield Word(CHOICE, coding["code"], actor)
                    yield Span(CHOICE_UNTIL, begin, end, coding["code"], actor)
                if coding["code"] in LINKED and patient:
                    yield Word(f"{CHOICE}:{coding['code']}", patient)


def lists(tree: dict[str, Any], base: str) -> Iterator[Word]:
    """The rows of a List: who made it."""
    if isinstance(tree.get("source"), dict):
        yield from authors(tree, [tree["source"]], base)


def authors(tree: Mapping[str, Any], named: Iterable[Mapping[str, Any]], base: str) -> Iterator[Word]:
    """The rows of whoever wrote a resource, by the References of it that name them; `base` is the server's own."""
    inside = _Inside({one["id"]: one for one in _dicts(tree.get("contained")) if isinstance(one.get("id"), str)}, base)
    for one in named:
        yield from _written_by(one, inside)


def provenances(tree: dict[str, Any], base: str) -> Iterator[Word]:
    """The row of a Provenance that is of documents, or lists of them, of this server, and of nothing else."""
    targets = [_local(one, base).partition("/")[0] for one in _dicts(tree.get("target"))]
    if targets and {*targets} <= {"DocumentReference", "List"}:
        yield Word(OF_SHARED, "1")


def care_teams(tree: dict[str, Any], base: str) -> Iterator[Span]:
    """The rows of a CareTeam: its members, as long as it is active and they are.

    Who is named by an identifier, is contained or stands elsewhere is no member here.
    """
    if tree.get("status") != "active":
        return
    begin, end = period(tree.get("period") or {}, PARIS) or (BEGINNING, END)
    for one in _dicts(tree.get("participant")):
        member = _local(one.get("member"), base)
        low, high = period(one.get("period") or {}, PARIS) or (BEGINNING, END)
        if member and max(begin, low) <= min(end, high):
            yield Span(MEMBER, max(begin, low), min(end, high), member)


def _local(reference: Any, base: str) -> str:
    """ "Practitioner/1" of a literal reference to what is here; "" of any other."""
    said = reference.get("reference") if isinstance(reference, dict) else None
    parsed = parse(said, base) if isinstance(said, str) else None
    return parsed.target if parsed is not None and parsed.local and not parsed.fragment else ""


def national(identifier: Mapping[str, Any]) -> str | None:
    """A professional's identifier as IdNatPS has it: "8" before an RPPS of eleven digits; None of any other system."""
    return _national(identifier, _PROFESSIONALS)


def national_structure(identifier: Mapping[str, Any]) -> str | None:
    """An organisation's identifier as IdNatStruct has it: "1" before a FINESS; None of any other system."""
    return _national(identifier, _STRUCTURES)


def _national(identifier: Mapping[str, Any], systems: Mapping[str, tuple[str, int]]) -> str | None:
    system, value = identifier.get("system"), identifier.get("value")
    if not isinstance(value, str) or not isinstance(system, str) or system not in systems:
        return None
    begins, length = systems[system]
    return begins + value if length and len(value) == length and value.isdecimal() else value


def _written_by(author: Mapping[str, Any], inside: _Inside, deep: int = 0) -> Iterator[Word]:
    """Who an author is; the practitioner of a role that is contained, and the organisation it is for, too."""
    found, type = _named(author, inside)
    if isinstance(found, str):
        yield Word(AUTHOR if not found.startswith("Organization/") else AUTHOR_ORGANISATION, found)
    if isinstance(found, dict):
        type = str(found.get("resourceType"))
        for one in _dicts(found.get("identifier")):
            yield from _identified(one, type)
        for name in ("practitioner", "organization", "owner"):
            if deep == 0 and isinstance(found.get(name), dict):
                yield from _written_by(found[name], inside, deep + 1)
    if isinstance(author.get("identifier"), dict):
        yield from _identified(author["identifier"], type)


def _named(reference: Mapping[str, Any], inside: _Inside) -> tuple[str | Mapping[str, Any] | None, str]:
    """What a Reference names: "Practitioner/1" here, what is contained, or nothing; and its type as far as it says."""
    said, type = reference.get("reference"), str(reference.get("type") or "")
    if not isinstance(said, str):
        return None, type
    parsed = parse(said, inside.base)
    if parsed.contained:
        return inside.contained.get(parsed.fragment), type
    return (parsed.target, parsed.type or type) if parsed.local and not parsed.fragment else (None, type)


def _identified(identifier: Mapping[str, Any], type: str) -> Iterator[Word]:
    if (found := national(identifier)) is not None:
        # A value of that system is a professional's, whatever it is said of: of a patient or a device it says nothing.
        if type in ("Practitioner", "PractitionerRole", ""):
            yield Word(AUTHOR, found)
    elif (found := national_structure(identifier)) is not None:
        yield Word(AUTHOR_ORGANISATION, found)
    elif type not in ("Practitioner", "PractitionerRole") and identifier.get("system") and identifier.get("value"):
        yield Word(AUTHOR, f"{identifier['system']}|{identifier['value']}")


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    return (one for one in (value if isinstance(value, list) else ()) if isinstance(one, dict))
