"""The way into the catalogue as data: who may take which step from which state, and what it makes of app and file.

CSP R1111-38 and R1111-39, order of 23 June 2022: the publisher files, the ANS verifies, the commission gives its
opinion, the minister (whose delegate is the administrator here) decides, a convention is signed; suspension and removal
are the administrator's, going off line is the publisher's.
"""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.space.catalogue.apps import Status
from fhir_server.space.catalogue.dossiers import State


@dataclass(frozen=True, slots=True)
class Row:
    """One step as one duty may take it.

    Attributes:
        step: its code (https://fhir-server.example/CodeSystem/ens-referencing-step).
        duty: who may take it.
        sources: states of the file from which it can be taken.
        target: the state it leads to.
        status: the app takes; None leaves it as it is.
        reasoned: whether a reason must be given.
    """

    step: str
    duty: str
    sources: tuple[State, ...]
    target: State
    status: Status | None = None
    reasoned: bool = False


_WORKING: tuple[State, ...] = ("signed", "suspended", "offline")
#: A publisher may give up until the convention is signed: nothing binds them before it.
_UNSIGNED: tuple[State, ...] = ("filed", "incomplete", "verified", "opined", "accepted")

ROWS: tuple[Row, ...] = (
    Row("complete", "publisher", ("incomplete",), "filed"),
    Row("abandon", "publisher", _UNSIGNED, "abandoned", reasoned=True),
    Row("return", "verifier", ("filed",), "incomplete", reasoned=True),
    Row("verify", "verifier", ("filed",), "verified"),
    Row("return", "commission", ("verified",), "incomplete", reasoned=True),
    Row("opine", "commission", ("verified",), "opined", reasoned=True),
    Row("accept", "administrator", ("opined",), "accepted", reasoned=True),
    Row("refuse", "administrator", ("opined",), "refused", reasoned=True),
    Row("sign", "administrator", ("accepted",), "signed", "EN_LIGNE"),
    Row("suspend", "administrator", ("signed", "offline"), "suspended", "SUSPENDUE", reasoned=True),
    Row("resume", "administrator", ("suspended",), "signed", "EN_LIGNE", reasoned=True),
    Row("take-offline", "publisher", ("signed",), "offline", "HORS_LIGNE", reasoned=True),
    Row("put-online", "publisher", ("offline",), "signed", "EN_LIGNE"),
    Row("dereference", "administrator", _WORKING, "dereferenced", "DEREFERENCEE", reasoned=True),
)
#: Every step that can be asked for; filing makes the file, superseding follows from signing a newer one.
STEPS = tuple(dict.fromkeys(row.step for row in ROWS))


def rows(step: str) -> tuple[Row, ...]:
    """How a step may be taken; () when there is none of that code."""
    return tuple(row for row in ROWS if row.step == step)


def open_to(duties: frozenset[str], state: State) -> tuple[Row, ...]:
    """What somebody with these duties may do with a file in a state."""
    return tuple(row for row in ROWS if row.duty in duties and state in row.sources)
