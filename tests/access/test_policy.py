"""One rule from a grant: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html, R4 binary.html#security."""

from __future__ import annotations

import pytest

from fhir_server.access.grant import OPEN, VERBS, Grant, Scope
from fhir_server.access.policy import Policy
from fhir_server.space.catalogue.reach import RULES
from fhir_server.store.filters import (
    EVERYTHING,
    NOTHING,
    And,
    Index,
    Linked,
    LinkedFrom,
    Not,
    Or,
    String,
    Token,
    Word,
)
from fhir_server.store.matching import matches

POLICY = Policy(RULES)
ALICE = Index((Word("patient", "Patient/alice"), Word("subject", "Patient/alice"), Word("category", "42", "classes")))
BOB = Index((Word("patient", "Patient/bob"), Word("subject", "Patient/bob"), Word("category", "42", "classes")))


def scope(text: str, where: object = EVERYTHING) -> Scope:
    level, _, rest = text.partition("/")
    type, _, verbs = rest.partition(".")
    return Scope(level, type, frozenset(verbs), where)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scopes", "grant", "type", "verb", "alices", "bobs"),
    [
        # scopes                       whose grant                                  type                verb  alice's bob's
        ((), {"patient": "alice"}, "DocumentReference", "r", False, False),
        (("patient/*.rs",), {"patient": "alice"}, "DocumentReference", "r", True, False),
        (("patient/*.rs",), {"patient": "alice"}, "DocumentReference", "s", True, False),
        (("patient/*.rs",), {"patient": "alice"}, "DocumentReference", "u", False, False),
        (("patient/*.rs",), {"patient": None}, "DocumentReference", "r", False, False),
        (("patient/Observation.rs",), {"patient": "alice"}, "DocumentReference", "r", False, False),
        (("patient/Observation.rs",), {"patient": "alice"}, "Observation", "r", True, False),
        (("user/*.cruds",), {"subject": "Practitioner/1"}, "DocumentReference", "r", True, True),
        (("user/*.cruds",), {"subject": "Patient/alice"}, "DocumentReference", "r", True, False),
        (("user/*.cruds",), {"subject": None}, "DocumentReference", "r", False, False),
        (
            ("user/*.cruds",),
            {"subject": "RelatedPerson/1", "wards": frozenset({"bob"})},
            "DocumentReference",
            "r",
            False,
            True,
        ),
        (("system/DocumentReference.rs",), {}, "DocumentReference", "s", True, True),
        (("system/DocumentReference.rs",), {}, "Patient", "s", False, False),
        # A type outside every compartment: the directory is read by all who name it, the rest by none.
        (("patient/*.cruds",), {"patient": "alice"}, "Organization", "r", True, True),
        (("patient/*.cruds",), {"patient": "alice"}, "Organization", "u", False, False),
        (("patient/*.cruds",), {"patient": "alice"}, "Subscription", "r", False, False),
    ],
)
def test_a_rule_reaches_what_its_scopes_say(
    scopes: tuple[str, ...], grant: dict[str, object], type: str, verb: str, alices: bool, bobs: bool
) -> None:
    allowed = POLICY.rule(Grant(tuple(map(scope, scopes)), **grant), type, verb)  # type: ignore[arg-type]
    assert (matches(allowed, ALICE), matches(allowed, BOB)) == (alices, bobs)


def test_a_granular_scope_reaches_only_what_its_constraint_matches() -> None:
    prescriptions = scope("patient/DocumentReference.rs", Token("category", "42", "classes"))
    reports = scope("patient/DocumentReference.rs", Token("category", "10", "classes"))
    assert matches(POLICY.rule(Grant((prescriptions,), patient="alice"), "DocumentReference", "r"), ALICE)
    assert not matches(POLICY.rule(Grant((reports,), patient="alice"), "DocumentReference", "r"), ALICE)
    assert matches(POLICY.rule(Grant((reports, prescriptions), patient="alice"), "DocumentReference", "r"), ALICE)


def test_every_verb_on_every_type_is_everything_and_nothing_less_is() -> None:
    assert POLICY.rule(OPEN, "Patient", "d") == EVERYTHING
    reader = Grant((Scope("system", "*", VERBS - {"d"}),))
    assert not reader.unrestricted
    assert POLICY.rule(reader, "Patient", "d") == NOTHING


def test_a_link_is_narrowed_by_the_rule_of_the_type_it_leads_to_however_deep_it_stands() -> None:
    grant = Grant((scope("patient/Observation.rs"), scope("system/Patient.s")), patient="alice")
    family = String("family", "demo")
    asked = And((Or((Linked("subject", "Patient", family),)), Not(LinkedFrom("Condition", "subject", family))))
    assert POLICY.narrow(grant, asked) == And(
        (Or((Linked("subject", "Patient", family),)), Not(LinkedFrom("Condition", "subject", NOTHING)))
    )


#: Binaries without a context, by who wrote them: client, person and patient. "old" was stored when only clients were noted.
WRITTEN = {
    "by lab": Index((Word("_writer", "lab"),)),
    "by another system": Index((Word("_writer", "x"),)),
    "by Alice through app": Index((Word("_writer", "app", "Patient/alice alice"),)),
    "by d for Alice through app": Index((Word("_writer", "app", "Practitioner/d alice"),)),
    "by d for nobody through app": Index((Word("_writer", "app", "Practitioner/d "),)),
    "old, through app": Index((Word("_writer", "app"),)),
}


@pytest.mark.parametrize(
    ("scopes", "grant", "readable"),
    [
        (("system/Binary.r",), {"client": "lab"}, set(WRITTEN)),
        (("system/*.rs",), {"client": "lab"}, set(WRITTEN)),
        (("system/DocumentReference.r",), {"client": "lab"}, {"by lab"}),
        (("system/Patient.r",), {"client": "lab"}, set()),
        (("system/Binary.c",), {"client": "lab"}, set()),
        (
            ("patient/*.rs",),
            {"client": "app", "subject": "Patient/alice", "patient": "alice"},
            {"by Alice through app"},
        ),
        (("patient/*.rs",), {"client": "app", "subject": "Patient/bob", "patient": "bob"}, set()),
        (("patient/*.rs",), {"client": "app", "subject": "Practitioner/e", "patient": "alice"}, set()),
        (("patient/*.rs",), {"client": "other", "subject": "Patient/alice", "patient": "alice"}, set()),
        (
            ("user/*.rs",),
            {"client": "app", "subject": "Practitioner/d", "patient": "alice"},
            {"by d for Alice through app"},
        ),
        (("user/*.rs",), {"client": "app", "subject": "Practitioner/d"}, {"by d for nobody through app"}),
        (("user/*.rs",), {"subject": "Practitioner/d"}, set()),
    ],
)
def test_a_binary_without_security_context_is_its_writers_or_a_systems(
    scopes: tuple[str, ...], grant: dict[str, str], readable: set[str]
) -> None:
    caller = Grant(tuple(map(scope, scopes)), **grant)  # type: ignore[arg-type]
    allowed = POLICY.rule(caller, "Binary", "r")
    assert {name for name, one in WRITTEN.items() if matches(allowed, one, linked=lambda _: False)} == readable
    # The rule of one Binary says the same, without asking what it need not.
    assert {
        name for name, one in WRITTEN.items() if matches(POLICY.rule_of(caller, "Binary", "r", one), one)
    } == readable


@pytest.mark.parametrize("type", ["DocumentReference", "Media", "Consent", "DiagnosticReport", "Communication"])
@pytest.mark.parametrize(("verb", "asked"), [("c", "u"), ("r", "r"), ("u", "u"), ("d", "d"), ("s", "s")])
def test_a_binary_with_a_security_context_is_judged_by_what_it_names_alone(type: str, verb: str, asked: str) -> None:
    grant = Grant((scope(f"patient/{type}.cruds"), scope("patient/Binary.cruds")), patient="alice", client="app")
    named = Index((Word("_securityContext", f"{type}/1"), Word("_writer", "app", " alice")))
    link = Linked("_securityContext", type, POLICY.rule(grant, type, asked))
    assert POLICY.rule_of(grant, "Binary", verb, named) == link
    assert matches(POLICY.rule(grant, "Binary", verb), named, linked=lambda one: one == link)
    assert not matches(POLICY.rule(grant, "Binary", verb), named, linked=lambda _: False)


@pytest.mark.parametrize("value", ["Binary/1", "#", "https://elsewhere.example/fhir/DocumentReference/1", "urn:uuid:1"])
def test_a_context_that_is_nothing_of_this_server_is_reached_by_nobody(value: str) -> None:
    grant = Grant((scope("system/Binary.cruds"), scope("system/DocumentReference.cruds")), client="lab")
    named = Index((Word("_securityContext", value), Word("_writer", "lab")))
    for allowed in (POLICY.rule(grant, "Binary", "r"), POLICY.rule_of(grant, "Binary", "r", named)):
        assert not matches(allowed, named, linked=lambda link: named.words[0].value.startswith(link.type + "/"))


@pytest.mark.parametrize(
    ("scopes", "grant", "verb", "audit", "provenance"),
    [
        (("system/*.cruds",), {"client": "archive"}, "c", True, True),
        (("system/*.cruds",), {"client": "archive"}, "u", False, True),
        (("system/*.cruds",), {"client": "archive"}, "d", False, True),
        (("system/*.cruds",), {"client": "archive"}, "r", True, True),
        (("system/*.cruds",), {"client": "archive", "subject": "Practitioner/d"}, "c", False, False),
        (("system/Observation.cruds",), {"client": "archive"}, "c", False, False),
        (("user/*.cruds",), {"client": "app", "subject": "Practitioner/d"}, "c", False, False),
        (("user/*.cruds",), {"client": "app", "subject": "Practitioner/d"}, "u", False, False),
        (("user/*.cruds",), {"client": "app", "subject": "Practitioner/d"}, "r", True, True),
        (("user/*.cruds",), {"client": "app", "subject": "Patient/a"}, "c", False, False),
        (("patient/*.cruds",), {"client": "app", "subject": "Patient/a", "patient": "a"}, "c", False, False),
        (("patient/*.cruds",), {"client": "app", "subject": "Patient/a", "patient": "a"}, "d", False, False),
    ],
)  # fmt: skip
def test_traces_and_provenance_are_written_by_systems_and_never_for_a_person(
    scopes: tuple[str, ...], grant: dict[str, str], verb: str, audit: bool, provenance: bool
) -> None:
    caller = Grant(tuple(map(scope, scopes)), **grant)  # type: ignore[arg-type]
    reached = [POLICY.rule(caller, type, verb) != NOTHING for type in ("AuditEvent", "Provenance")]
    assert reached == [audit, provenance]


def test_a_trace_that_names_several_patients_is_read_by_none_of_them() -> None:
    grant = Grant((scope("patient/AuditEvent.rs"),), subject="Patient/alice", patient="alice")
    alone = Index((Word("patient", "Patient/alice"),))
    several = Index((*alone.words, Word("patient", "Patient/bob"), Word("_several", "1")))
    assert [matches(POLICY.rule(grant, "AuditEvent", "s"), one) for one in (alone, several)] == [True, False]


@pytest.mark.parametrize(("verb", "allowed"), [("c", True), ("r", True), ("s", True), ("u", False), ("d", False)])
def test_a_trace_is_written_and_read_and_never_changed_by_a_caller_it_could_name(verb: str, allowed: bool) -> None:
    system = Grant((Scope("system", "*", VERBS),), client="archive")
    assert POLICY.rule(system, "AuditEvent", verb) == (EVERYTHING if allowed else NOTHING)
    assert POLICY.rule(OPEN, "AuditEvent", verb) == EVERYTHING
