"""One rule from a grant: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html, R4 binary.html#security."""

from __future__ import annotations

import pytest

from fhir_server.access.grant import OPEN, VERBS, Grant, Scope
from fhir_server.access.policy import narrow, rule
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
    allowed = rule(Grant(tuple(map(scope, scopes)), **grant), type, verb)  # type: ignore[arg-type]
    assert (matches(allowed, ALICE), matches(allowed, BOB)) == (alices, bobs)


def test_a_granular_scope_reaches_only_what_its_constraint_matches() -> None:
    prescriptions = scope("patient/DocumentReference.rs", Token("category", "42", "classes"))
    reports = scope("patient/DocumentReference.rs", Token("category", "10", "classes"))
    assert matches(rule(Grant((prescriptions,), patient="alice"), "DocumentReference", "r"), ALICE)
    assert not matches(rule(Grant((reports,), patient="alice"), "DocumentReference", "r"), ALICE)
    assert matches(rule(Grant((reports, prescriptions), patient="alice"), "DocumentReference", "r"), ALICE)


def test_every_verb_on_every_type_is_everything_and_nothing_less_is() -> None:
    assert rule(OPEN, "Patient", "d") == EVERYTHING
    reader = Grant((Scope("system", "*", VERBS - {"d"}),))
    assert not reader.unrestricted
    assert rule(reader, "Patient", "d") == NOTHING


def test_a_link_is_narrowed_by_the_rule_of_the_type_it_leads_to_however_deep_it_stands() -> None:
    grant = Grant((scope("patient/Observation.rs"), scope("system/Patient.s")), patient="alice")
    family = String("family", "demo")
    asked = And((Or((Linked("subject", "Patient", family),)), Not(LinkedFrom("Condition", "subject", family))))
    assert narrow(grant, asked) == And(
        (Or((Linked("subject", "Patient", family),)), Not(LinkedFrom("Condition", "subject", NOTHING)))
    )


@pytest.mark.parametrize(
    ("scopes", "client", "readable"),
    [
        (("system/Binary.r",), "lab", {"written by lab"}),
        (("system/DocumentReference.r",), "lab", {"written by lab"}),
        (("system/Binary.r",), None, set()),
        (("system/Patient.r",), "lab", set()),
    ],
)
def test_a_binary_without_security_context_is_its_writers(
    scopes: tuple[str, ...], client: str | None, readable: set[str]
) -> None:
    allowed = rule(Grant(tuple(map(scope, scopes)), client=client), "Binary", "r")
    binaries = {
        "written by lab": Index((Word("_writer", "lab"),)),
        "written by another": Index((Word("_writer", "x"),)),
    }
    assert {name for name, index in binaries.items() if matches(allowed, index, linked=lambda _: False)} == readable


def test_a_binary_with_a_security_context_is_judged_by_the_document() -> None:
    grant = Grant((scope("patient/*.rs"),), patient="alice")
    document = rule(grant, "DocumentReference", "r")
    assert rule(grant, "Binary", "r") == Linked("_securityContext", "DocumentReference", document)


@pytest.mark.parametrize(("verb", "allowed"), [("c", True), ("r", True), ("s", True), ("u", False), ("d", False)])
def test_a_trace_is_written_and_read_and_never_changed_by_a_caller_it_could_name(verb: str, allowed: bool) -> None:
    system = Grant((Scope("system", "*", VERBS),), client="archive")
    assert rule(system, "AuditEvent", verb) == (EVERYTHING if allowed else NOTHING)
    assert rule(OPEN, "AuditEvent", verb) == EVERYTHING
