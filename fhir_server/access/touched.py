"""What one exchange touched: the versions that its caller saw or made, and the patients they are about.

The AuditEvents of the exchange (`audit`) say it. No response leaves before they are durable; those of concurrent
exchanges share one group commit in the store.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

from fhir_server.access.party import Party
from fhir_server.access.record_owner import rows
from fhir_server.store.filters import Index
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Put, Version, Write


class Touched:
    """What one exchange touched.

    Attributes:
        noting: False makes every method do nothing (open mode, the server's own work).
        auditing: makes the AuditEvents of writes that are about to be made, for the same commit; None where they come
            after.
        audited: whether it made some, and the commit stands.
        party: who acts, where the directory knows them.
        objects: each version touched, as a reference → the patients it is about.
        patients: the patients that any of them is about.
    """

    __slots__ = ("_doomed", "audited", "auditing", "noting", "objects", "party", "patients")

    def __init__(self, noting: bool) -> None:
        self.noting = noting
        self.auditing: Callable[[Touched], Awaitable[Sequence[Put]]] | None = None
        self.audited = False
        self.party: Party | None = None
        self.objects: dict[str, tuple[str, ...]] = {}
        self.patients: dict[str, None] = {}
        self._doomed: dict[tuple[str, str], bytes] = {}

    def saw(self, versions: Iterable[Version], about: About = MappingProxyType({})) -> None:
        """Versions were given to the caller, or made; `about` adds patients that a version itself does not name."""
        if self.noting:
            for version in versions:
                key = (version.type, version.id)
                self._touched(*key, version.version, (*owners(*key, version.own), *about.get(key, ())))

    def ends(self, version: Version) -> None:
        """A deletion after `version` is about to be written."""
        if self.noting:
            self._doomed[version.type, version.id] = version.packed

    def with_writes(self, writes: Iterable[Write], about: About = MappingProxyType({})) -> Touched:
        """What it will have touched when `writes` are made, which may yet be overtaken."""
        found = Touched(self.noting)
        found.objects, found.patients = dict(self.objects), dict(self.patients)
        for write in writes:
            key = (write.type, write.id)
            index = write.index if isinstance(write, Put) else self._doomed.get(key, b"")
            found._touched(*key, write.expected + 1, (*owners(*key, index), *about.get(key, ())))
        return found

    def settle(self) -> None:
        """All so far stands in AuditEvents that are durable."""
        self.audited = True
        self.objects, self.patients = {}, {}

    def take(self, others: Touched) -> None:
        """What `with_writes` foresaw has been done, or what was seen before is given again."""
        self.objects.update(others.objects)
        self.patients.update(others.patients)

    @contextmanager
    def rehearsing(self) -> Iterator[None]:
        """What is read inside is given to nobody yet."""
        noting, self.noting = self.noting, False
        try:
            yield
        finally:
            self.noting = noting

    def apart(self) -> list[Touched]:
        """As many as there are patients, each with what is about that one; what is about nobody is apart from them.

        Whoever reads an AuditEvent then learns of no patient but the one it is about.
        """
        if len(self.patients) < 2:
            return [self]
        parts: dict[str | None, Touched] = {}
        for reference, patients in self.objects.items():
            for patient in patients or (None,):
                part = parts.setdefault(patient, Touched(self.noting))
                part.objects[reference] = (patient,) if patient else ()
        for patient in self.patients:
            parts.setdefault(patient, Touched(self.noting)).patients[patient] = None
        return list(parts.values())

    def _touched(self, type: str, id: str, version: int, patients: tuple[str, ...]) -> None:
        distinct = dict.fromkeys(patients)
        self.objects[f"{type}/{id}/_history/{version}"] = tuple(distinct)
        self.patients.update(distinct)


#: (type, id) of a resource → references to the patients it is about.
About = Mapping[tuple[str, str], tuple[str, ...]]


def owners(type: str, id: str, index: Index | bytes) -> tuple[str, ...]:
    """The patients whose own apps may read a resource, by its index, packed or not: "Patient/1"."""
    if type == "Patient":
        return (f"Patient/{id}",)
    params = rows()[type].read
    if not params or not index:
        return ()
    found = index if isinstance(index, Index) else unpack(index)
    return tuple(w.value for w in found.words if w.param in params and w.value.startswith("Patient/"))
