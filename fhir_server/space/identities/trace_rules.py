"""Who reads the traces of a record that was made one with theirs: the person whose both were, and nobody else by that.

CSP R1111-43: each access to a record is told to its holder. A trace is never changed, and goes on naming the record
that was read; once the two are parted again, its traces are its own holder's alone.
"""

from __future__ import annotations

from fhir_server.access.rules import Asked, Rule
from fhir_server.space.accounts.reading_rules import FACTS, Records
from fhir_server.store.filters import NOTHING, Filter, Refers, either


def _theirs(asked: Asked) -> Filter:
    if asked.verb not in "rs" or not isinstance(asked.facts, Records):
        return NOTHING
    return either([Refers("patient", f"Patient/{one}") for one in sorted(asked.facts.merged)])


TRACES = Rule(
    "traces-of-merged",
    "about a record that was made one with theirs",
    frozenset({"AuditEvent"}),
    gives=_theirs,
    facts=FACTS,
)
