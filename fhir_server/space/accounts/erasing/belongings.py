"""What of the store is somebody's, and goes with their space; what of others' names them, and stays.

CSP R1111-36, GDPR art. 17. Theirs is what says whose it is by their Patient (`access.record_owner`), the Binaries put
under that, what registers who acts for them or whom they act for, their subscriptions, and the traces about them. Not
theirs is what stands in another's record and only refers to them (a parent who measured a child): it goes on naming an
id that leads nowhere. An exchange of messages is its patient's: what its professional was sent by mail is in their
mailbox, and what they must keep is in their own file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fhir_server.access.binaries import SECURITY_CONTEXT
from fhir_server.access.record_owner import rows
from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse
from fhir_server.space.accounts.life import life_id
from fhir_server.store.filters import Filter, Id, Missing, Not, Refers, both, either
from fhir_server.store.protocol import Scope, Version
from fhir_server.subscriptions.model import ABOUT

#: (type, id).
Key = tuple[str, str]
#: Beside what says whose it is: types that register by another element that somebody acts for another.
_ACTING: Mapping[str, tuple[str, ...]] = {"Consent": ("actor",)}
#: Resources that are erased in one commit, with their versions.
TOGETHER = 100


def scope_of(patient: str) -> Scope:
    """All that is theirs (id), but for the Patient and the life of the space, which are last, and traces."""
    reference = f"Patient/{patient}"
    found: dict[str, Filter] = {}
    for type, row in rows().items():
        # The first of them is the element that says whose it is; others take part.
        params = (*row.read[: 1 if row.kind == "record" else None], *_ACTING.get(type, ()))
        if type not in ("AuditEvent", "Patient", "Person") and params:
            found[type] = either([Refers(param, reference) for param in params])
    found["Basic"] = both(found["Basic"], Not(Id((life_id(patient),))))
    found["Subscription"] = Refers(ABOUT, reference)
    return found


def traces_of(patient: str) -> Scope:
    """The traces about them, and those of what they did to nobody's record, such as signing in."""
    reference = f"Patient/{patient}"
    return {"AuditEvent": either([Refers("patient", reference), both(Refers("agent", reference), Missing("patient"))])}


async def next_of(own: Repository, patient: str) -> list[Version]:
    """Some of what is theirs and left, as its latest version that is found; nothing when all is gone."""
    page = await own.history(scope_of(patient), count=TOGETHER)
    return list({(one.type, one.id): one for one in reversed(page.versions)}.values())


async def next_traces_of(own: Repository, patient: str) -> Sequence[Version]:
    """Versions of some of the traces that go; nothing when all are gone."""
    return (await own.history(traces_of(patient), count=2 * TOGETHER)).versions


async def binaries_of(own: Repository, keys: Sequence[Key]) -> list[Key]:
    """The Binaries that are put under resources, deleted ones too; some hundreds at most, more when asked again."""
    under = either([Refers(SECURITY_CONTEXT, f"{type}/{id}") for type, id in keys])
    page = await own.history({"Binary": under}, count=5 * TOGETHER)
    return list(dict.fromkeys((one.type, one.id) for one in page.versions))


def shared(version: Version, patient: str) -> bool:
    """Whether others take part in it: then it is theirs too, and only who takes part is taken out of it."""
    row = rows()[version.type]
    if version.deleted or not row.among:
        return False
    named = set(_patients(parse(version.body), row.among[0].split(".")))
    return bool(named - {f"Patient/{patient}"})


def without(version: Version, patient: str) -> dict[str, object]:
    """What is shared, without them."""
    tree = parse(version.body)
    tree["participant"] = [
        one
        for one in tree.get("participant", ())
        if str(one.get("actor", {}).get("reference", "")).partition("/_history")[0] != f"Patient/{patient}"
    ]
    return tree


def _patients(tree: object, path: Sequence[str]) -> Iterator[str]:
    if isinstance(tree, list):
        for one in tree:
            yield from _patients(one, path)
    elif isinstance(tree, dict) and path:
        yield from _patients(tree.get(path[0]), path[1:])
    elif isinstance(tree, dict):
        reference = str(tree.get("reference", "")).partition("/_history")[0]
        if reference.startswith("Patient/"):
            yield reference
